import { useSignal } from '@preact/signals'
import { useId } from 'preact/hooks'
import type { FactKind } from '../../../../../incidents/facts.ts'
import { stateNames, states } from '../../../../../incidents/workflow.ts'
import { post } from '../api.ts'
import type { Fact, IncidentDetail, Missing } from '../api-types.ts'
import { byGuard, standing, suppliers } from '../fact-forms.ts'
import { t } from '../i18n/language.ts'
import { guardName, hubText, kindName, roleName, stateName } from '../i18n/workflow-text.ts'
import { ActionButton } from '../parts/action-button.tsx'
import { FactForm } from '../parts/fact-form.tsx'
import { Refusal } from '../parts/refusal.tsx'
import { FullTime } from '../parts/times.tsx'
import { canAct, me } from '../state.ts'
import type { SentFact, WorkflowStep, WorkflowView } from '../workflow-types.ts'

export interface PartProps {
  readonly incident: IncidentDetail
  readonly workflow: WorkflowView
  /** Receives the incident as the hub answered. */
  readonly took: (incident: IncidentDetail) => void
}

const way = stateNames.filter((name) => name !== 'draft' && states[name].next !== undefined)

/** The way from recorded to closed, where it stands, and when it came there. */
export function Stepper({ incident }: { incident: IncidentDetail }) {
  const state = incident.workflowState
  const reached = reachedAt(incident.facts)
  const shown: readonly string[] = [...way, way.includes(state as never) ? 'closed' : state]
  const current = shown.indexOf(state)
  return (
    <ol class="stepper" aria-label={t('workflow.way')}>
      {shown.map((name, index) => {
        const at = reached.get(name)
        // Pushed states are newer than the facts that were read: where it stands was not skipped.
        const skipped = at === undefined && index < current
        const mark = index > current ? 'next' : skipped ? 'skipped' : 'done'
        return (
          <li
            key={name}
            class={name === state ? 'step-now' : `step-${mark}`}
            aria-current={name === state ? 'step' : undefined}
          >
            <span class="step-name">{stateName(name)}</span>
            <span class="step-when muted">
              {at !== undefined && index <= current && <FullTime at={at} />}
              {mark === 'skipped' && t('workflow.skipped')}
            </span>
          </li>
        )
      })}
    </ol>
  )
}

/** When each state was last entered. */
function reachedAt(facts: readonly Fact[]): ReadonlyMap<string, string> {
  return new Map(
    facts
      .filter(({ kind }) => kind === 'transition')
      .map(({ value, occurredAt }) => [(value as { to: string }).to, occurredAt]),
  )
}

/** Every step that leads on from here: what it lacks, the forms that give it, and the button. */
export function Steps(props: PartProps) {
  const { steps, state } = props.workflow
  const next = states[state as keyof typeof states]?.next
  const first = steps.filter(({ to }) => to === next)
  const others = steps.filter(({ to }) => to !== next)
  if (steps.length === 0)
    return (
      <section class="card steps" aria-labelledby="steps-heading">
        <h2 id="steps-heading">{t('workflow.next')}</h2>
        <p class="muted">{t('workflow.ended')}</p>
      </section>
    )
  return (
    <section class="card steps" aria-labelledby="steps-heading">
      <h2 id="steps-heading">{t('workflow.next')}</h2>
      {first.map((step) => (
        <Step key={`${state} ${step.to}`} step={step} {...props} />
      ))}
      {others.length > 0 && canAct.value && (
        <details>
          <summary>{t('workflow.otherSteps')}</summary>
          {others.map((step) => (
            <Step key={`${state} ${step.to}`} step={step} {...props} />
          ))}
          <AnyStep {...props} />
        </details>
      )}
    </section>
  )
}

const comeWithStep: Readonly<Record<string, FactKind>> = {
  cancelled: 'cancelled',
  merged: 'merged',
}

function Step({ step, incident, workflow, took }: PartProps & { step: WorkflowStep }) {
  const role = useSignal(step.role)
  const held = workflow.mine.includes(role.value)
  const id = useId()
  const withFact = comeWithStep[step.to]
  const missing =
    withFact === undefined ? step.missing : step.missing.filter(({ guard }) => !guardOfStep(guard))
  const take = async (fact?: SentFact) => {
    took(await takeStep(incident.id, step.to, role.value, fact))
  }
  return (
    <div class="step">
      <h3>{t('workflow.to', { state: stateName(step.to) })}</h3>
      {missing.length === 0 && held ? (
        <p class="muted note">{t('workflow.nothingMissing')}</p>
      ) : (
        <ul class="missing">
          {canAct.value && !held && (
            <li>
              <p>{t('workflow.needPart', { role: roleName(role.value) })}</p>
              <TakePart {...{ incident, took }} role={role.value} />
            </li>
          )}
          {byGuard(missing).map(([guard, lacks]) => (
            <MissingItem key={guard ?? lacks[0]?.text} {...{ guard, lacks, incident, took }} />
          ))}
        </ul>
      )}
      {canAct.value && (
        <div class="step-go">
          <label for={id}>{t('workflow.asRole')}</label>
          <select
            id={id}
            value={role.value}
            onChange={(event) => {
              role.value = event.currentTarget.value
            }}
          >
            {step.roles.map((name) => (
              <option key={name} value={name}>
                {roleName(name)}
              </option>
            ))}
          </select>
          {withFact === undefined ? (
            <ActionButton
              {...refusable}
              label={t('workflow.go', { state: stateName(step.to) })}
              act={() => take()}
            />
          ) : (
            <FactForm
              {...{ incident, took }}
              kind={withFact}
              send={take}
              submit={t('workflow.go', { state: stateName(step.to) })}
            />
          )}
        </div>
      )}
    </div>
  )
}

/** A step's refusal is a list of what is missing. */
const refusable = { kind: 'primary', failure: Refusal } as const

const guardOfStep = (guard: string | undefined) =>
  guard === 'cancel_reason' || guard === 'merge_target'

async function takeStep(
  id: string,
  to: string,
  role: string,
  fact?: SentFact,
): Promise<IncidentDetail> {
  const body = { to, role, key: crypto.randomUUID?.(), ...(fact ? { with: [fact] } : {}) }
  const path = `/api/v1/incidents/${encodeURIComponent(id)}/steps`
  return (await post<{ incident: IncidentDetail }>(path, body)).incident
}

/** What is missing, with the forms that supply it right there. */
function MissingItem({
  guard,
  lacks,
  incident,
  took,
}: {
  guard: string | undefined
  lacks: readonly Missing[]
  incident: IncidentDetail
  took: (incident: IncidentDetail) => void
}) {
  const open = useSignal<FactKind | null>(null)
  const kinds = suppliers[guard as keyof typeof suppliers] ?? []
  const asks = guardName(guard)
  return (
    <li>
      <p>
        {lacks.map((one) => (
          <strong key={one.text} class="lacks">
            {hubText(one)}
          </strong>
        ))}
        {asks !== undefined && (
          <span class="muted note lacks">{t('refusal.rule', { rule: asks })}</span>
        )}
      </p>
      {canAct.value && kinds.length > 0 && (
        <p class="supply">
          {kinds.map((kind) => (
            <button
              key={kind}
              type="button"
              class="small"
              aria-expanded={open.value === kind}
              onClick={() => {
                open.value = open.value === kind ? null : kind
              }}
            >
              {t('workflow.write', { kind: kindName(kind) })}
            </button>
          ))}
        </p>
      )}
      {open.value !== null && (
        <FactForm
          key={open.value}
          {...{ incident, took }}
          kind={open.value}
          correct={named(open.value, lacks[0], incident.facts)}
        />
      )}
    </li>
  )
}

/** The action that a refusal names by its number, to be corrected. */
function named(
  kind: FactKind,
  lack: Missing | undefined,
  facts: readonly Fact[],
): Fact | undefined {
  if (kind !== 'action') return undefined
  const number = lack?.params?.['number']
  return standing(facts).find(
    (fact) => fact.kind === kind && (fact.value as { number?: number }).number === number,
  )
}

/** One press makes the reader hold a part. */
export function TakePart({
  incident,
  role,
  took,
}: {
  incident: IncidentDetail
  role: string
  took: (incident: IncidentDetail) => void
}) {
  const person = me.value?.name ?? ''
  return (
    <ActionButton
      {...refusable}
      label={t('workflow.takePart', { role: roleName(role) })}
      act={async () => took(await giveRole(incident.id, role, person))}
    />
  )
}

/** Writes who has a part from now on, or has it no more. */
export async function giveRole(
  id: string,
  role: string,
  person: string,
  ended = false,
): Promise<IncidentDetail> {
  const text = t(ended ? 'parts.ends' : 'parts.begins', { name: person, role: roleName(role) })
  const value = { text, role, person, ...(ended ? { ended } : {}) }
  const path = `/api/v1/incidents/${encodeURIComponent(id)}/facts`
  const body = { facts: [{ kind: 'role', value }] }
  return (await post<{ incident: IncidentDetail }>(path, body)).incident
}

/** A step the table may not know: asked for all the same, the hub says why not. */
function AnyStep({ incident, took, workflow }: PartProps) {
  const id = useId()
  const to = useSignal('')
  const rest = stateNames.filter(
    (name) =>
      name !== 'draft' && name !== workflow.state && !workflow.steps.some((s) => s.to === name),
  )
  return (
    <div class="step">
      <h3>{t('workflow.anyStep')}</h3>
      <div class="step-go">
        <label for={id}>{t('workflow.toState')}</label>
        <select
          id={id}
          value={to.value}
          onChange={(event) => {
            to.value = event.currentTarget.value
          }}
        >
          <option value="" />
          {rest.map((name) => (
            <option key={name} value={name}>
              {stateName(name)}
            </option>
          ))}
        </select>
        <ActionButton
          {...refusable}
          label={t('workflow.ask')}
          act={async () => {
            if (to.value !== '')
              took(await takeStep(incident.id, to.value, workflow.mine[0] ?? 'commander'))
          }}
        />
      </div>
    </div>
  )
}
