/**
 * The session protocol both sides speak (docs/protocol.md): JSON text frames for control, one binary frame a report.
 * This folder imports nothing.
 */

import type { Challenge, Proof } from './handshake.ts'

/** How the epoch of a collector without a spool begins: no later process goes on in it. */
export const passingEpoch = 'passing-'

/** Milliseconds since the epoch, UTC. */
export type Millis = number

/** Versions of a session admitted by a token. A hello names those of the collector, the welcome the highest both speak. */
export const protocolVersions: readonly number[] = [1]

/** Versions of a session in which both sides prove themselves by their keys (handshake.ts). */
export const enrolledVersions: readonly number[] = [2]

/** The highest version both sides speak; undefined when there is none. */
export function commonVersion(
  theirs: readonly number[],
  ours: readonly number[] = protocolVersions,
): number | undefined {
  return ours.reduce<number | undefined>(
    (best, one) => (theirs.includes(one) && (best === undefined || one > best) ? one : best),
    undefined,
  )
}

/** Thrown for a frame that cannot be read; the session is closed with `badFrame`. */
export class FrameError extends Error {}

/** WebSocket close codes of a session (4000-4999 are for applications, RFC 6455 §7.4.2). */
export const closeCodes = {
  badFrame: 4400,
  unauthorized: 4401,
  forbidden: 4403,
  notReading: 4408,
  replaced: 4409,
  tooLarge: 4413,
  /** The collector's word: who answers is not the hub it was enrolled with. */
  hubNotProven: 4415,
  unsupportedVersion: 4426,
  shuttingDown: 4503,
  storageUnavailable: 4507,
} as const

/** Limits of a session; anything beyond closes it with the code named. */
export const limits = {
  /** Bytes of one frame, text or binary (`tooLarge`). */
  frameBytes: 4 * 1024 * 1024,
  /** Series of one session's dictionary. */
  seriesPerSession: 50_000,
  /** Labels of one series. */
  labelsPerSeries: 32,
  /** Characters of a label's name or value. */
  labelCharacters: 1024,
  /** Characters of all names, label names and values of one session's dictionary; labels that the hello sets are not counted. */
  dictionaryCharacters: 16 * 1024 * 1024,
  /** Bytes of one facts document. */
  factsBytes: 1024 * 1024,
  /** Unacknowledged reports a collector sends ahead, both lanes together. */
  reportsInFlight: 64,
  /** Those of them that may be of the lane `backlog`, so that a live report always finds room. */
  backlogInFlight: 48,
  /** Versions one hello may name. */
  protocolsOffered: 32,
} as const

/** What a section of a report could see; "no permission" never looks healthy. */
export type SectionState = 'ok' | 'absent' | 'denied' | 'error'

export interface Section {
  readonly name: string
  readonly state: SectionState
  /** One line for a person: what is missing and how to grant it. Empty when `ok`. */
  readonly detail: string
}

export type Labels = Readonly<Record<string, string>>

/** The labels every series carries; `instance` names the host across the whole hub. */
export interface HostLabels {
  readonly job: string
  readonly instance: string
  readonly customer: string
  readonly site: string
  readonly server: string
  readonly role: string
  readonly env: string
  /** Only on series of the demo's simulated hosts. */
  readonly simulated?: 'true'
}

/** First frame of a collector. Authentication is the HTTP upgrade's bearer token, or in version 2 the proof that follows. */
export interface Hello {
  readonly type: 'hello'
  /** Versions of this protocol the collector speaks, in any order. */
  readonly protocols: readonly number[]
  /** Random id made at the collector's first start and kept on its disk; a UUID. */
  readonly collector: string
  /**
   * New whenever the collector lost its unsent reports; sequences restart at 1 in a new epoch. It begins with `passingEpoch` when it ends
   * with this process for sure.
   */
  readonly epoch: string
  readonly version: string
  readonly labels: HostLabels
  /** Seconds between reports. */
  readonly intervalSeconds: number
  /** Collector's wall clock when sent. */
  readonly wall: Millis
}

/** The hub's answer: from which sequence on it wants reports. */
export interface Welcome {
  readonly type: 'welcome'
  /** The version of this session. */
  readonly protocol: number
  readonly hub: string
  /** Highest sequence committed for (collector, epoch) in each lane; 0 when none. */
  readonly committed: Readonly<Record<Lane, number>>
  /** Hashes of the facts the hub already holds, by document name. */
  readonly facts: Readonly<Record<string, string>>
  /** Hub's wall clock when sent. */
  readonly wall: Millis
}

/** Appends to the session's dictionary; `from` must equal its present length. */
export interface SeriesFrame {
  readonly type: 'series'
  readonly from: number
  readonly series: readonly { readonly name: string; readonly labels: Labels }[]
}

/** A facts document, sent when its hash changed. */
export interface FactsFrame {
  readonly type: 'facts'
  readonly name: string
  /** SHA-256 of the document's JSON text, hex. */
  readonly hash: string
  readonly document: unknown
  readonly wall: Millis
}

/** State of every section, sent after hello and when one changes. */
export interface SectionsFrame {
  readonly type: 'sections'
  readonly sections: readonly Section[]
}

/** Every report up to and including `sequence` is durable. */
export interface Ack {
  readonly type: 'ack'
  readonly lane: Lane
  readonly sequence: number
  /** Hub's wall clock at receipt of the newest acknowledged report, for the clock offset. */
  readonly receivedAt: Millis
  readonly sentAt: Millis
}

/** A report refused for good (for instance more than 1 h ahead); counted as answered. */
export interface Refusal {
  readonly type: 'refused'
  readonly lane: Lane
  readonly sequence: number
  readonly reason: string
}

export interface ErrorFrame {
  readonly type: 'error'
  readonly code: string
  readonly message: string
  /** With `unsupported_version`: what the hub speaks. */
  readonly protocols?: readonly number[]
}

export interface Bye {
  readonly type: 'bye'
  readonly reason: string
}

export type CollectorFrame = Hello | Proof | SeriesFrame | FactsFrame | SectionsFrame | Bye
export type HubFrame = Challenge | Welcome | Ack | Refusal | ErrorFrame

/** Live reports overtake the backlog; contiguity is counted per lane. */
export type Lane = 'live' | 'backlog'

export const lanes: readonly Lane[] = ['live', 'backlog']

/** One report: a value for every series of the session's dictionary at one instant. */
export interface Report {
  readonly lane: Lane
  readonly sequence: number
  /** Collector's wall clock when the values were read. */
  readonly wall: Millis
  /** Collector's monotonic clock, milliseconds, same instant. */
  readonly monotonic: number
  /** As long as the dictionary. */
  readonly values: Float64Array
  /** Bit c (bit `c & 7` of byte `c >> 3`) set: series c has no value in this report. Undefined: all have one. */
  readonly absent: Uint8Array | undefined
  /** Bit c set: series c ends with this report and has no value in it; never also absent. */
  readonly stale: Uint8Array | undefined
}
