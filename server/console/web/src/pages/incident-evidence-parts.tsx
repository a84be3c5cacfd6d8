import type { ComponentChildren } from 'preact'
import type {
  Evidence,
  FrozenHost,
  FrozenSeries,
  Part,
  SeenChange,
} from '../../../../../incidents/evidence.ts'
import { decimal } from '../i18n/format.ts'
import { language, t } from '../i18n/language.ts'
import { causeName, stateName } from '../i18n/workflow-text.ts'
import { Sparkline } from '../parts/sparkline.tsx'
import { FullTime } from '../parts/times.tsx'
import { incidentPath } from '../routes.ts'

const time = (at: number) => <FullTime at={new Date(at).toISOString()} />

/** One frozen document, part by part; a part that could not be had says why. */
export function FrozenEvidence({ evidence }: { evidence: Evidence }) {
  const { hosts, hostsOmitted, expressions, similar, onCall } = evidence
  return (
    <div class="evidence-body">
      {hosts.map((host) => (
        <Host key={host.instance} host={host} />
      ))}
      {hostsOmitted > 0 && <p class="muted">{t('evidence.omitted', { count: hostsOmitted })}</p>}
      <Piece name={t('evidence.similar')} part={similar}>
        {({ incidents }) => (
          <List items={incidents}>
            {(one) => (
              <>
                <a href={incidentPath(one.id)}>
                  {one.number} {one.title}
                </a>{' '}
                <span class="muted">
                  {stateName(one.state)}, {time(one.at)}, {one.reasons.join(', ')}
                  {one.causes.length > 0 && `: ${one.causes.map(causeName).join(', ')}`}
                </span>
              </>
            )}
          </List>
        )}
      </Piece>
      <Piece name={t('evidence.expressions')} part={expressions}>
        {({ alerts }) => (
          <List items={alerts}>
            {({ rule, expression, series, reason }) => (
              <>
                <strong>{rule}</strong> <code>{expression}</code>
                {reason !== undefined && <span class="muted"> {reason}</span>}
                <ul class="frozen-series">
                  {series.map(({ labels, points }) => (
                    <Curve
                      key={nameOf(labels)}
                      name={nameOf(labels)}
                      values={points.map(([, value]) => value)}
                    />
                  ))}
                </ul>
              </>
            )}
          </List>
        )}
      </Piece>
      <Piece name={t('evidence.onCall')} part={onCall}>
        {({ schedules }) => (
          <List items={schedules}>
            {({ schedule, people }) => `${schedule}: ${people.join(', ') || '–'}`}
          </List>
        )}
      </Piece>
    </div>
  )
}

function Host({ host }: { host: FrozenHost }) {
  const { metrics, versions, drift, backups, changes } = host
  return (
    <>
      <h3>{host.instance}</h3>
      <Piece name={t('evidence.metrics')} part={metrics}>
        {({ series, omitted, from, stepMillis }) => (
          <>
            <p class="muted note">
              {t('evidence.metricsFrom')} {time(from)},{' '}
              {t('evidence.step', { count: stepMillis / 1000 })}
            </p>
            <ul class="frozen-series">
              {series.map((one) => (
                <Series key={nameOf(one.labels)} series={one} />
              ))}
            </ul>
            {omitted > 0 && <p class="muted">{t('evidence.omitted', { count: omitted })}</p>}
          </>
        )}
      </Piece>
      <Piece name={t('evidence.versions')} part={versions}>
        {({ packagesHash, softwareHash, changes: seen }) => (
          <>
            <p class="muted hash">
              {[packagesHash, softwareHash].map((hash) => hash?.slice(0, 16) ?? '–').join(' · ')}
            </p>
            <List items={seen}>{(change) => <Seen change={change} />}</List>
          </>
        )}
      </Piece>
      <Piece name={t('evidence.drift')} part={drift}>
        {({ findings, omitted }) => (
          <>
            <List items={findings}>
              {({ kind, subject, expected, found }) => `${kind} ${subject}: ${expected} → ${found}`}
            </List>
            {omitted > 0 && <p class="muted">{t('evidence.omitted', { count: omitted })}</p>}
          </>
        )}
      </Piece>
      <Piece name={t('evidence.backups')} part={backups}>
        {({ posture, jobs }) => (
          <>
            <p>{posture}</p>
            <List items={jobs}>
              {({ name, posture: of, reasons, lastSuccessAt }) => (
                <>
                  {name}: {of} {lastSuccessAt !== null && <FullTime at={lastSuccessAt} />}{' '}
                  <span class="muted">{reasons.join('; ')}</span>
                </>
              )}
            </List>
          </>
        )}
      </Piece>
      <Piece name={t('evidence.changes')} part={changes}>
        {({ records }) => (
          <List items={records}>
            {({ number, title, state, startsAt, endsAt }) => (
              <>
                {number} {title} ({state}){' '}
                <span class="muted">
                  {time(startsAt)} – {time(endsAt)}
                </span>
              </>
            )}
          </List>
        )}
      </Piece>
    </>
  )
}

interface PieceProps<T> {
  readonly name: string
  readonly part: Part<T>
  readonly children: (part: T) => ComponentChildren
}

function Piece<T>({ name, part, children }: PieceProps<T>) {
  return (
    <details>
      <summary>
        {name}
        {part.state !== 'ok' && <span class="muted"> {t(`evidence.${part.state}`)}</span>}
      </summary>
      {part.state === 'ok' ? children(part) : <p class="muted">{part.reason}</p>}
    </details>
  )
}

interface ListProps<T> {
  readonly items: readonly T[]
  readonly children: (item: T) => ComponentChildren
}

function List<T>({ items, children }: ListProps<T>) {
  if (items.length === 0) return <p class="muted">{t('evidence.nothing')}</p>
  return (
    <ul class="reasons">
      {items.map((item, index) => (
        // Frozen: their order never changes.
        <li key={index}>{children(item)}</li>
      ))}
    </ul>
  )
}

function Seen({ change: { number, at, state, items, omitted } }: { change: SeenChange }) {
  return (
    <>
      {number}, {time(at)}, {state}:{' '}
      {items
        .map(({ kind, subject, from, to }) => `${kind} ${subject} ${from ?? '–'} → ${to ?? '–'}`)
        .join('; ')}
      {omitted > 0 && ` ${t('evidence.omitted', { count: omitted })}`}
    </>
  )
}

function Series({ series: { labels, kind, avg, min, max } }: { series: FrozenSeries }) {
  const name = `${nameOf(labels)}${kind === 'counter' ? ` ${t('evidence.perSecond')}` : ''}`
  return <Curve name={name} values={avg} low={least(min)} high={most(max)} />
}

interface CurveProps {
  readonly name: string
  readonly values: readonly (number | null)[]
  readonly low?: number | undefined
  readonly high?: number | undefined
}

/** A small curve with the figures that it cannot say. */
function Curve({ name, values, low = least(values), high = most(values) }: CurveProps) {
  const last = values.findLast((value) => value !== null)
  // The drawing begins at nought: what falls below it is lifted.
  const lift = low !== undefined && low < 0 ? -low : 0
  return (
    <li>
      <span class="hash">{name}</span>
      <Sparkline values={values.map((value) => (value === null ? null : value + lift))} />
      <span class="muted note">
        {t('evidence.figures', {
          low: decimal(language.value, low),
          high: decimal(language.value, high),
          last: decimal(language.value, last),
        })}
      </span>
    </li>
  )
}

const least = (values: readonly (number | null)[]) => edge(values, (a, b) => a < b)
const most = (values: readonly (number | null)[]) => edge(values, (a, b) => a > b)

function edge(
  values: readonly (number | null)[],
  beats: (a: number, b: number) => boolean,
): number | undefined {
  return values.reduce<number | undefined>(
    (best, value) => (value !== null && (best === undefined || beats(value, best)) ? value : best),
    undefined,
  )
}

/** `node_filesystem_avail_bytes mountpoint=/var`; the host is said above. */
function nameOf(labels: Readonly<Record<string, string>>): string {
  const rest = Object.entries(labels)
    .filter(([name]) => name !== '__name__' && name !== 'instance' && name !== 'job')
    .map(([name, value]) => `${name}=${value}`)
  return [labels['__name__'] ?? '', ...rest].join(' ').trim()
}
