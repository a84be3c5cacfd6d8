import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect } from 'preact/hooks'
import { get } from '../api.ts'
import { decimal } from '../i18n/format.ts'
import { language, t } from '../i18n/language.ts'
import { Problem } from '../parts/action-button.tsx'
import { PageTitle } from '../parts/page-title.tsx'
import { Age, FullTime } from '../parts/times.tsx'

/** GET /api/v1/ledger/status, as far as it is shown. */
interface Status {
  readonly origin: string
  readonly openedAt: string
  readonly size: number
  readonly inconsistency: string | null
  readonly lastCheckpoint: {
    readonly size: number
    readonly root: string
    readonly signedAt: string
  } | null
  readonly verifierKeys: readonly string[]
}

/** One of GET /api/v1/ledger/witnesses. */
interface Witness {
  readonly name: string
  readonly verifierKey: string
  readonly offered: boolean
  readonly last: { readonly size: number; readonly witnessedAt: string } | null
}

const readEveryMs = 30_000

/** The ledger as an auditor asks for it first: how large, last signed when, by which key, and who else has seen it. */
export function LedgerPage() {
  const status = useSignal<Status | null>(null)
  const witnesses = useSignal<readonly Witness[]>([])
  const error = useSignal<unknown>(null)
  useEffect(() => {
    const read = async () => {
      try {
        const [known, seen] = await Promise.all([
          get<Status>('/api/v1/ledger/status'),
          get<{ witnesses: Witness[] }>('/api/v1/ledger/witnesses'),
        ])
        status.value = known
        witnesses.value = seen.witnesses
        error.value = null
      } catch (problem) {
        error.value = problem
      }
    }
    void read()
    const timer = setInterval(() => void read(), readEveryMs)
    return () => clearInterval(timer)
  }, [])
  const known = status.value
  return (
    <>
      <div class="page-head">
        <PageTitle>{t('ledger.title')}</PageTitle>
      </div>
      <p class="note">{t('ledger.intro')}</p>
      {error.value !== null && <Problem error={error.value} />}
      {known === null ? (
        error.value === null && <p class="empty">{t('loading')}</p>
      ) : (
        <>
          <Log status={known} />
          <Witnesses all={witnesses.value} size={known.size} />
        </>
      )}
    </>
  )
}

function Log({ status }: { status: Status }) {
  const { origin, openedAt, size, inconsistency, lastCheckpoint, verifierKeys } = status
  return (
    <section class="card" aria-labelledby="ledger-log">
      <h2 id="ledger-log">{t('ledger.log')}</h2>
      {inconsistency !== null && (
        <p role="alert">
          <strong>{t('ledger.inconsistent')}</strong> {inconsistency}
        </p>
      )}
      <dl class="pairs">
        <Pair label={t('ledger.entries')}>{figure(size)}</Pair>
        <Pair label={t('ledger.opened')}>
          <FullTime at={openedAt} />
        </Pair>
        <Pair label={t('ledger.name')}>
          <code class="secret">{origin}</code>
        </Pair>
        <Pair label={t('ledger.checkpoint')}>
          {lastCheckpoint === null ? (
            t('ledger.noCheckpoint')
          ) : (
            <>
              {figure(lastCheckpoint.size)}, <Age at={lastCheckpoint.signedAt} />
              <br />
              <code class="secret">{lastCheckpoint.root}</code>
            </>
          )}
        </Pair>
        <Pair label={t('ledger.key')}>
          {verifierKeys.map((key) => (
            <code key={key} class="secret">
              {key}
            </code>
          ))}
        </Pair>
      </dl>
      <p class="note">{t('ledger.keyNote')}</p>
    </section>
  )
}

function Pair({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  )
}

function Witnesses({ all, size }: { all: readonly Witness[]; size: number }) {
  return (
    <section class="card" aria-labelledby="ledger-witnesses">
      <h2 id="ledger-witnesses">{t('ledger.witnesses')}</h2>
      {all.length === 0 && <p class="empty">{t('ledger.noWitness')}</p>}
      {all.map((one) => (
        <WitnessLine key={one.name} witness={one} size={size} />
      ))}
    </section>
  )
}

function WitnessLine({ witness, size }: { witness: Witness; size: number }) {
  const { name, verifierKey, offered, last } = witness
  return (
    <dl class="pairs">
      <Pair label={t('ledger.witness')}>
        {name}, {t(offered ? 'ledger.offered' : 'ledger.fetched')}
      </Pair>
      <Pair label={t('ledger.seen')}>
        {last === null ? (
          t('ledger.never')
        ) : (
          <>
            {figure(last.size)}, <Age at={last.witnessedAt} />
          </>
        )}
      </Pair>
      <Pair label={t('ledger.behind')}>{figure(Math.max(0, size - (last?.size ?? 0)))}</Pair>
      <Pair label={t('ledger.key')}>
        <code class="secret">{verifierKey}</code>
      </Pair>
    </dl>
  )
}

const figure = (count: number) => decimal(language.value, count, 0)
