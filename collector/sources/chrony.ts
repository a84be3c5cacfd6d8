import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'

/**
 * chronyd's command protocol, version 6, as far as "tracking" needs it (chrony's candm.h: CMD_Request, CMD_Reply,
 * RPY_Tracking; numbers big-endian). Anybody on the host may ask this over UDP; chronyc does the same.
 */
const protocolVersion = 6
const request = 1
const reply = 2
const trackingRequest = 33
const trackingReply = 5
/** A request must be as long as its answer, so that nobody can use chronyd to amplify. */
export const trackingBytes = 104

/** What chronyd says about the clock. */
export interface Tracking {
  /** Address of the source, or its four letters (`GPS`, `PPS`); `local` for the host's own clock; empty for none. */
  readonly reference: string
  /** 0 for none. */
  readonly stratum: number
  /** 0 normal, 1 and 2 a leap second to insert or to leave out today, 3 not synchronised. */
  readonly leapStatus: number
  /** Since the epoch, when the newest measurement was taken in; 0 for never. */
  readonly updatedAtSeconds: number
  /** The clock minus the true time; positive is fast. */
  readonly offsetSeconds: number
  readonly rootDelaySeconds: number
  readonly rootDispersionSeconds: number
}

/** A request whose answer bears the same sequence. */
export function encodeTrackingRequest(sequence: number): Buffer {
  const bytes = Buffer.alloc(trackingBytes)
  bytes.writeUInt8(protocolVersion, 0)
  bytes.writeUInt8(request, 1)
  bytes.writeUInt16BE(trackingRequest, 4)
  bytes.writeUInt32BE(sequence >>> 0, 8)
  return bytes
}

/** Sequence an answer bears, or undefined for bytes that are no answer of this protocol. */
export function replySequence(bytes: Buffer): number | undefined {
  if (bytes.length < 28 || bytes[0] !== protocolVersion || bytes[1] !== reply) return undefined
  return bytes.readUInt32BE(16)
}

/** Throws with chronyd's status when it refused, and on bytes it would not send. */
export function decodeTracking(bytes: Buffer): Tracking {
  if (replySequence(bytes) === undefined)
    throw new Error(
      `chronyd answered ${bytes.length} bytes that are not protocol ${protocolVersion}`,
    )
  const status = bytes.readUInt16BE(8)
  if (status !== 0) throw new Error(`chronyd refused the question with status ${status}`)
  if (bytes.readUInt16BE(4) !== trackingRequest || bytes.readUInt16BE(6) !== trackingReply)
    throw new Error(`chronyd answered ${bytes.readUInt16BE(6)} instead of ${trackingReply}`)
  if (bytes.length < trackingBytes)
    throw new Error(`chronyd answered ${bytes.length} bytes, ${trackingBytes} expected`)
  return {
    reference: referenceOf(bytes),
    stratum: bytes.readUInt16BE(52),
    leapStatus: bytes.readUInt16BE(54),
    updatedAtSeconds: secondsAt(bytes, 56),
    // The reply holds the correction that is due, which is what the clock is slow.
    offsetSeconds: 0 - floatAt(bytes, 68),
    rootDelaySeconds: floatAt(bytes, 92),
    rootDispersionSeconds: floatAt(bytes, 96),
  }
}

/** 7 bits of signed exponent, 25 of signed coefficient: coefficient × 2^(exponent − 25). */
function floatAt(bytes: Buffer, offset: number): number {
  const word = bytes.readInt32BE(offset)
  const exponent = word >> 25
  const coefficient = (word << 7) >> 7
  return coefficient * 2 ** (exponent - 25)
}

/** Seconds in two halves and nanoseconds; the high half of 32-bit systems is 0x7fffffff. */
function secondsAt(bytes: Buffer, offset: number): number {
  const high = bytes.readUInt32BE(offset)
  const seconds = (high === 0x7fffffff ? 0 : high) * 2 ** 32 + bytes.readUInt32BE(offset + 4)
  return seconds + bytes.readUInt32BE(offset + 8) / 1e9
}

const localReference = 0x7f7f0101

function referenceOf(bytes: Buffer): string {
  const family = bytes.readUInt16BE(48)
  const address = bytes.subarray(32, 48)
  if (family === 1) return address.subarray(0, 4).join('.')
  if (family === 2) return ipv6(address)
  const id = bytes.readUInt32BE(28)
  if (id === 0) return ''
  if (id === localReference) return 'local'
  const letters = bytes.subarray(28, 32).toString('latin1').replace(/\0+$/, '')
  return /^[A-Za-z0-9]{1,4}$/.test(letters) ? letters : id.toString(16).padStart(8, '0')
}

function ipv6(address: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => address.readUInt16BE(2 * i).toString(16))
  return groups.join(':')
}

/** Where chronyd listens for commands. */
export interface ChronyAddress {
  readonly host: string
  readonly port: number
}

/** Nobody listens at chronyd's port. */
export class NoChrony extends Error {}

/** Asks once. Throws NoChrony when the port is closed, another error when no answer comes in time. */
export async function askTracking(
  { host, port }: ChronyAddress,
  sequence: number,
  limitMilliseconds: number,
): Promise<Tracking> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  let timer: NodeJS.Timeout | undefined
  try {
    const answer = new Promise<Buffer>((resolve, reject) => {
      timer = setTimeout(
        () => reject(new Error(`chronyd did not answer within ${limitMilliseconds / 1000} s`)),
        limitMilliseconds,
      )
      socket.on('error', reject)
      socket.on('message', (bytes) => {
        if (replySequence(bytes) === sequence) resolve(bytes)
      })
      // Connected, so that only its answers arrive, and that a closed port is told at once.
      socket.connect(port, host, () => socket.send(encodeTrackingRequest(sequence)))
    })
    return decodeTracking(await answer)
  } catch (error) {
    const refused = error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED'
    throw refused ? new NoChrony(`nobody listens at ${host}, UDP port ${port}`) : error
  } finally {
    clearTimeout(timer)
    socket.close()
  }
}
