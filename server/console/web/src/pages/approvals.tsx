import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { get, post } from '../api.ts'
import type { Approval } from '../api-types.ts'
import type { MessageKey } from '../i18n/catalogue.ts'
import { t } from '../i18n/language.ts'
import { Problem } from '../parts/action-button.tsx'
import { Field } from '../parts/field.tsx'
import { Form } from '../parts/form.tsx'
import { HubAction } from '../parts/hub-action.tsx'
import { PageTitle } from '../parts/page-title.tsx'
import { FullTime } from '../parts/times.tsx'
import { changes, loadApprovals } from '../state.ts'

const tones = { open: 'warning', approved: 'ok', rejected: 'critical', expired: 'silent' } as const

/** What takes two people: what waits, first, and what was decided. */
export function Approvals() {
  const approvals = useSignal<readonly Approval[] | null>(null)
  const error = useSignal<unknown>(null)
  const askable = useSignal<readonly string[]>([])
  const read = async () => {
    try {
      const answer = await get<{ approvals: Approval[] }>('/api/v1/approvals')
      approvals.value = answer.approvals
      const { waiting } = await get<{ waiting: { role: string; version: string }[] }>(
        '/api/v1/baselines',
      )
      askable.value = waiting.map(({ role, version }) => `${role} ${version}`)
      error.value = null
    } catch (problem) {
      error.value = problem
    }
  }
  const seen = changes.approvals.value
  useEffect(() => {
    void read()
  }, [seen])
  const all = approvals.value ?? []
  const open = all.filter(({ state }) => state === 'open')
  const decided = all.filter(({ state }) => state !== 'open')
  const asked = new Set(open.map(({ subject }) => subject))
  return (
    <>
      <div class="page-head">
        <PageTitle>{t('approvals.title')}</PageTitle>
      </div>
      <p class="note">
        {t('approvals.intro')} {t('approvals.password')}
      </p>
      {error.value !== null && <Problem error={error.value} />}
      {askable.value
        .filter((subject) => !asked.has(subject))
        .map((subject) => (
          <p key={subject}>
            <HubAction
              label={t('approvals.askFor', { subject })}
              act={async () => {
                await post('/api/v1/approvals', { kind: 'baseline', subject })
                await Promise.all([read(), loadApprovals()])
              }}
            />
          </p>
        ))}
      {open.length === 0 && approvals.value !== null && <p class="empty">{t('approvals.none')}</p>}
      <ul class="stack people">
        {open.map((approval) => (
          <li key={approval.id} class="card">
            <One approval={approval} onDecided={read} />
          </li>
        ))}
      </ul>
      {decided.length > 0 && (
        <section aria-labelledby="decided-title">
          <h2 id="decided-title">{t('approvals.decided')}</h2>
          <ul class="stack people">
            {decided.map((approval) => (
              <li key={approval.id} class="card">
                <One approval={approval} onDecided={read} />
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  )
}

function One({ approval, onDecided }: { approval: Approval; onDecided: () => Promise<void> }) {
  const { id, kind, subject, state, requestedBy, requestedAt, expiresAt } = approval
  const path = `/api/v1/approvals/${encodeURIComponent(id)}`
  const content = useSignal<string | null>(null)
  const reason = useSignal('')
  const decided = async () => {
    await Promise.all([onDecided(), loadApprovals()])
  }
  const show = async () => {
    const { approval: whole } = await get<{ approval: { content: unknown } }>(path)
    content.value = textOf(whole.content)
  }
  return (
    <>
      <p>
        <strong>{subject}</strong>{' '}
        <span class={`badge boxed outline tone-${tones[state]}`}>{t(`approvals.${state}`)}</span>{' '}
        <span class="muted">{kindName(kind)}</span>
      </p>
      <p class="muted note">
        {t('approvals.askedBy', { name: requestedBy })} <FullTime at={requestedAt} />
        {state === 'open' && (
          <>
            {' · '}
            {t('approvals.until')} <FullTime at={expiresAt} />
          </>
        )}
        {approval.decidedBy !== null &&
          ` · ${t('approvals.decidedBy', { name: approval.decidedBy })}`}
        {approval.reason !== null && ` · ${approval.reason}`}
      </p>
      {content.value === null ? (
        <HubAction
          label={t('approvals.show')}
          accessibleLabel={t('approvals.showThis', { subject })}
          act={show}
        />
      ) : (
        <pre class="scroll approval-content">{content.value}</pre>
      )}
      {state === 'open' && !approval.mayApprove && approval.mayReject && (
        <p class="note">{t('approvals.own')}</p>
      )}
      {approval.mayApprove && (
        <p>
          <HubAction
            kind="primary"
            label={t('approvals.approve')}
            accessibleLabel={t('approvals.approveThis', { subject })}
            act={async () => {
              await post(`${path}/approve`)
              await decided()
            }}
          />
        </p>
      )}
      {approval.mayReject && (
        <details>
          <summary>{t('approvals.reject')}</summary>
          <Form
            submit={t('approvals.reject')}
            act={async () => {
              await post(`${path}/reject`, { reason: reason.value.trim() })
              await decided()
            }}
          >
            <Field
              id={`reason-${id}`}
              label={t('approvals.reason')}
              value={reason}
              maxLength={2000}
              required
            />
          </Form>
        </details>
      )}
    </>
  )
}

const kindKeys: Readonly<Record<string, MessageKey>> = {
  baseline: 'approvals.kind.baseline',
  erasure: 'approvals.kind.erasure',
  'hold-release': 'approvals.kind.hold-release',
}

function kindName(kind: string): string {
  const key = kindKeys[kind]
  return key === undefined ? kind : t(key)
}

/** The text that is asked for, where it has one; else all of it. */
function textOf(content: unknown): string {
  const text = (content as { text?: unknown } | null)?.text
  return typeof text === 'string' ? text : JSON.stringify(content, undefined, 2)
}
