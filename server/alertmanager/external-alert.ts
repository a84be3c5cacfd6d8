import { type AlertView, severityOf } from '../../alerts/alert.ts'
import type { Millis } from '../clock.ts'
import type { PostedAlert } from './posted-alert.ts'

/** Group of all alerts that others posted, where those of rules have their group's name. */
export const externalGroup = 'external'

/** One life of a posted alert. */
export interface ExternalAlert {
  readonly alert: AlertView
  /** When it is over unless it is posted again. */
  readonly endsAt: Millis
  /** The sender said when; otherwise it follows from the time of the post. */
  readonly explicit: boolean
  readonly generatorUrl: string
  /** Whose token posted it first. */
  readonly postedBy: string
}

/** What a post does. `text` tells of a renewal whether what is shown of the alert differs from before. */
export type PostEffect =
  | { readonly kind: 'fired' | 'renewed'; readonly external: ExternalAlert; readonly text: boolean }
  | { readonly kind: 'resolved'; readonly alert: AlertView }
  | { readonly kind: 'ignored' }

export interface PostContext {
  readonly newId: () => string
  readonly resolveTimeoutMillis: Millis
  readonly by: string
  /** `endsAt` with which the newest life of the label set ended; a repeat of that post ends no later life. */
  readonly endedAt: Millis | undefined
}

/**
 * What a post means for the life of its label set, as Alertmanager merges (types.Alert.Merge): the earliest start,
 * the latest end; an end that is over ends it.
 */
export function afterPost(
  known: ExternalAlert | undefined,
  post: PostedAlert,
  now: Millis,
  context: PostContext,
): PostEffect {
  if (post.endsAt !== undefined && post.endsAt <= now) {
    if (known === undefined) return { kind: 'ignored' }
    if (context.endedAt !== undefined && post.endsAt <= context.endedAt) return { kind: 'ignored' }
    return { kind: 'resolved', alert: resolvedAt(known.alert, post.endsAt) }
  }
  const explicit = post.endsAt !== undefined
  const endsAt = post.endsAt ?? now + context.resolveTimeoutMillis
  const { generatorUrl } = post
  if (known === undefined) {
    const alert = newLife(post, context.newId(), now)
    const external = { alert, endsAt, explicit, generatorUrl, postedBy: context.by }
    return { kind: 'fired', external, text: true }
  }
  const later = known.explicit && known.endsAt > endsAt
  const text = generatorUrl !== known.generatorUrl || !sameTexts(post, known.alert)
  return {
    kind: 'renewed',
    text,
    external: {
      ...known,
      alert: renewed(known.alert, post),
      endsAt: later ? known.endsAt : endsAt,
      explicit: later ? known.explicit : explicit,
      generatorUrl,
    },
  }
}

/** The life as over. The end lies between its begin and now, whatever clock the sender has. */
export function resolvedAt(alert: AlertView, at: Millis): AlertView {
  return { ...alert, state: 'resolved', resolvedAt: Math.max(at, alert.firedAt ?? alert.activeAt) }
}

/**
 * After a time in which the hub could hear nobody, such as a restart: everything posted again within the timeout
 * lives on.
 */
export function afterSilence(
  external: ExternalAlert,
  now: Millis,
  timeoutMillis: Millis,
): ExternalAlert {
  return { ...external, endsAt: Math.max(external.endsAt, now + timeoutMillis) }
}

function newLife(post: PostedAlert, id: string, now: Millis): AlertView {
  const { labels, annotations, fingerprint, startsAt } = post
  return {
    id,
    fingerprint,
    rule: labels['alertname'] ?? 'unnamed',
    group: externalGroup,
    severity: severityOf(labels),
    instance: labels['instance'],
    labels,
    annotations,
    state: 'firing',
    value: '1',
    activeAt: Math.min(startsAt ?? now, now),
    firedAt: now,
  }
}

function renewed(alert: AlertView, { annotations, startsAt }: PostedAlert): AlertView {
  return {
    ...alert,
    annotations: sameTexts({ annotations }, alert) ? alert.annotations : annotations,
    activeAt: Math.min(alert.activeAt, startsAt ?? alert.activeAt),
  }
}

function sameTexts(
  { annotations }: Pick<PostedAlert, 'annotations'>,
  alert: Pick<AlertView, 'annotations'>,
): boolean {
  const names = Object.keys(annotations)
  return (
    names.length === Object.keys(alert.annotations).length &&
    names.every((name) => annotations[name] === alert.annotations[name])
  )
}
