import type { Signal } from '@preact/signals'
import type { FactKind } from '../../../../../incidents/facts.ts'
import { additionalCauses, rootCauses } from '../../../../../incidents/root-causes.ts'
import { type Draft, type FormScene, isOptional, standing, widgetOf } from '../fact-forms.ts'
import { t } from '../i18n/language.ts'
import { causeName, codeName, fieldName, kindName } from '../i18n/workflow-text.ts'

export interface FieldProps {
  readonly id: string
  readonly kind: FactKind
  readonly field: string
  readonly draft: Signal<Draft>
  readonly scene: FormScene
}

/** One field of a fact, by what the published table wants there. */
export function FactField(props: FieldProps) {
  const { id, kind, field, draft } = props
  const widget = widgetOf(kind, field)
  const required = !isOptional(kind, field)
  const label = <FieldLabel id={id} kind={kind} field={field} />
  const text = String(draft.value[field] ?? '')
  const set = (value: Draft[string]) => {
    draft.value = { ...draft.value, [field]: value }
  }
  const common = { id, required, value: text }
  const typed = {
    ...common,
    onInput: (event: { currentTarget: { value: string } }) => set(event.currentTarget.value),
  }
  switch (widget.kind) {
    case 'text':
    case 'lines':
      return (
        <>
          {label}
          <textarea {...typed} rows={widget.kind === 'text' ? 3 : 2} maxLength={10_000} />
        </>
      )
    case 'choice':
      return (
        <>
          {label}
          <select {...common} onChange={(event) => set(event.currentTarget.value)}>
            <option value="" />
            {widget.codes.map((code) => (
              <option key={code} value={code}>
                {codeName(field, code)}
              </option>
            ))}
          </select>
        </>
      )
    case 'flag':
      return (
        <label class="contact-check">
          <input
            type="checkbox"
            checked={draft.value[field] === true}
            onChange={(event) => set(event.currentTarget.checked)}
          />{' '}
          {fieldName(field)}
        </label>
      )
    case 'number':
      return (
        <>
          {label}
          <input {...typed} type="number" min={0} step="any" inputMode="decimal" />
        </>
      )
    case 'instant':
      return (
        <>
          {label}
          <input {...typed} type="datetime-local" />
        </>
      )
    case 'cause':
      return (
        <>
          {label}
          <CauseChoice id={id} chosen={text} required={required} choose={set} />
        </>
      )
    case 'causes':
      return <Causes {...props} />
    case 'additional':
      return <ThirdLevel {...props} />
    case 'whys':
      return <Whys {...props} />
    case 'evidence':
      return <EvidenceChoice {...props} />
    case 'plan':
      return <PlanChoice {...props} />
    default:
      return (
        <>
          {label}
          <input
            {...typed}
            maxLength={500}
            list={widget.kind === 'person' ? 'people-known' : undefined}
            autocomplete="off"
          />
          {field === 'incident' && <p class="muted note">{t('factForm.incidentHelp')}</p>}
        </>
      )
  }
}

function FieldLabel({ id, kind, field }: { id: string; kind: FactKind; field: string }) {
  const widget = widgetOf(kind, field).kind
  return (
    <label for={id}>
      {fieldName(field)}
      {widget === 'lines' && <span class="muted note"> {t('factForm.oneALine')}</span>}
      {isOptional(kind, field) && <span class="muted note"> {t('factForm.optional')}</span>}
    </label>
  )
}

interface CauseProps {
  readonly id: string
  readonly chosen: string
  readonly required: boolean
  readonly label?: string
  readonly choose: (code: string) => void
}

/** The two-level list of root causes. */
function CauseChoice({ id, chosen, required, label, choose }: CauseProps) {
  return (
    <select
      id={id}
      value={chosen}
      required={required}
      aria-label={label}
      onChange={(event) => choose(event.currentTarget.value)}
    >
      <option value="" />
      {Object.entries(rootCauses).map(([group, { number, details }]) => (
        <optgroup key={group} label={`${number}. ${causeName(group)}`}>
          {Object.keys(details).map((detail) => (
            <option key={detail} value={`${group}/${detail}`}>
              {causeName(`${group}/${detail}`)}
            </option>
          ))}
        </optgroup>
      ))}
    </select>
  )
}

const listOf = (value: Draft[string] | undefined): readonly string[] =>
  Array.isArray(value) ? value : []

/** Up to five codes; a further one is offered once the last is chosen. */
function Causes({ id, field, draft }: FieldProps) {
  const codes = listOf(draft.value[field])
  const shown = codes.length < 5 ? [...codes, ''] : codes
  const choose = (index: number, code: string) => {
    const next = shown.map((one, at) => (at === index ? code : one)).filter((one) => one !== '')
    draft.value = { ...draft.value, [field]: next }
  }
  return (
    <>
      <label for={`${id}-0`}>{fieldName(field)}</label>
      {shown.map((code, index) => (
        <CauseChoice
          // A choice has no name but its place.
          key={index.toString()}
          id={`${id}-${index}`}
          chosen={code}
          required={index === 0}
          {...(index === 0 ? {} : { label: t('factForm.anotherCause') })}
          choose={(next) => choose(index, next)}
        />
      ))}
    </>
  )
}

/** The third level, where a chosen code has one. */
function ThirdLevel({ id, field, draft }: FieldProps) {
  const chosen = listOf(draft.value[field])
  const offered = listOf(draft.value['codes']).flatMap((code) =>
    Object.keys(additionalCauses[code] ?? {}),
  )
  if (offered.length === 0) return null
  return (
    <Checks
      id={id}
      legend={fieldName(field)}
      choices={offered.map((code) => [code, causeName(code)] as const)}
      chosen={chosen}
      choose={(next) => {
        draft.value = { ...draft.value, [field]: next }
      }}
    />
  )
}

interface ChecksProps {
  readonly id: string
  readonly legend: string
  readonly choices: readonly (readonly [string, string])[]
  readonly chosen: readonly string[]
  readonly choose: (chosen: readonly string[]) => void
}

function Checks({ id, legend, choices, chosen, choose }: ChecksProps) {
  return (
    <fieldset class="checks" id={id}>
      <legend>{legend}</legend>
      {choices.map(([value, label]) => (
        <label key={value} class="contact-check">
          <input
            type="checkbox"
            checked={chosen.includes(value)}
            onChange={(event) =>
              choose(
                event.currentTarget.checked
                  ? [...chosen, value]
                  : chosen.filter((one) => one !== value),
              )
            }
          />{' '}
          {label}
        </label>
      ))}
    </fieldset>
  )
}

const mostWhys = 9

function Whys({ id, field, draft }: FieldProps) {
  const whys = listOf(draft.value[field])
  const count = Math.min(mostWhys, Math.max(5, whys.filter((why) => why !== '').length + 1))
  return (
    <fieldset class="checks">
      <legend>{fieldName(field)}</legend>
      {Array.from({ length: count }, (_, index) => (
        <input
          // A why has no name but its place.
          key={index.toString()}
          id={`${id}-${index}`}
          aria-label={t('factForm.why', { number: index + 1 })}
          placeholder={t('factForm.why', { number: index + 1 })}
          required={index < 2}
          maxLength={2000}
          value={whys[index] ?? ''}
          onInput={(event) => {
            const next = Array.from({ length: count }, (_, at) => whys[at] ?? '')
            next[index] = event.currentTarget.value
            draft.value = { ...draft.value, [field]: next }
          }}
        />
      ))}
    </fieldset>
  )
}

/** Kinds that show something, the newest of them first. */
const showing = ['finding', 'evidence', 'attachment', 'alert_fired', 'runbook_step', 'note']
const mostOffered = 12

/** Facts of this incident that may be cited. */
function EvidenceChoice({ id, field, draft, scene }: FieldProps) {
  const chosen = listOf(draft.value[field])
  const offered = standing(scene.facts)
    .filter(({ kind, id }) => showing.includes(kind) || chosen.includes(id))
    .reverse()
    .sort((a, b) => showing.indexOf(a.kind) - showing.indexOf(b.kind))
    .slice(0, mostOffered)
  if (offered.length === 0) return <p class="muted note">{t('factForm.noEvidence')}</p>
  return (
    <Checks
      id={id}
      legend={fieldName(field)}
      choices={offered.map((fact) => [
        fact.id,
        `${kindName(fact.kind)}: ${fact.text.split('\n')[0]!.slice(0, 120)}`,
      ])}
      chosen={chosen}
      choose={(next) => {
        draft.value = { ...draft.value, [field]: next }
      }}
    />
  )
}

/** The runbook that was frozen with the incident, or why none is followed. */
function PlanChoice({ id, draft, scene }: FieldProps) {
  return (
    <>
      <label for={id}>{t('factForm.plan')}</label>
      <select
        id={id}
        required
        value={String(draft.value['plan'] ?? '')}
        onChange={(event) => {
          draft.value = { ...draft.value, plan: event.currentTarget.value }
        }}
      >
        {scene.runbook !== null && (
          <option value="runbook">
            {t('factForm.planRunbook', {
              name: scene.runbook.name,
              hash: scene.runbook.hash.slice(0, 12),
            })}
          </option>
        )}
        {['none_exists', 'does_not_apply'].map((reason) => (
          <option key={reason} value={reason}>
            {t('factForm.planNone', { reason: codeName('reason', reason) })}
          </option>
        ))}
      </select>
    </>
  )
}
