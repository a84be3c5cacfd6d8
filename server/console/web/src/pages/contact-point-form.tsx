import { useSignal } from '@preact/signals'
import { post } from '../api.ts'
import type { Account, Channel, ChannelField } from '../api-types.ts'
import { languageNames, languages, type MessageKey } from '../i18n/catalogue.ts'
import { language, t } from '../i18n/language.ts'
import { ActionButton } from '../parts/action-button.tsx'
import { channelName } from '../parts/channel-name.ts'

const ownZone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC'

/** A form of whatever settings the hub says a channel has. */
export function ContactPointForm({
  channels,
  teams,
  onMade,
}: {
  channels: readonly Channel[]
  /** Teams of the reader, whose contact points the reader keeps. */
  teams: Account['teams']
  onMade: () => Promise<void>
}) {
  const chosen = useSignal(channels[0]?.name ?? '')
  const team = useSignal('')
  const label = useSignal('')
  const speaks = useSignal<string>(language.value)
  const zone = useSignal(ownZone)
  const own = useSignal(false)
  const values = useSignal<Readonly<Record<string, string>>>({})
  const saved = useSignal(false)
  const channel = channels.find(({ name }) => name === chosen.value)
  const lent = channel?.lends === true && !own.value
  const fields = (channel?.fields ?? []).filter(
    ({ key }) => !lent || channel?.personal.includes(key),
  )
  const save = async () => {
    saved.value = false
    await post('/api/v1/contact-points', {
      channel: chosen.value,
      label: label.value.trim() || channelName(chosen.value),
      language: speaks.value,
      timeZone: zone.value.trim(),
      settings: settingsOf(fields, values.value),
      ...(team.value === '' ? {} : { owner: { kind: 'team', id: team.value } }),
    })
    values.value = {}
    label.value = ''
    saved.value = true
    await onMade()
  }
  return (
    <div class="link-form contact-form">
      <label for="contact-channel">{t('contact.channel')}</label>
      <select
        id="contact-channel"
        value={chosen.value}
        onChange={(event) => {
          chosen.value = event.currentTarget.value
          values.value = {}
          saved.value = false
        }}
      >
        {channels.map(({ name }) => (
          <option key={name} value={name}>
            {channelName(name)}
          </option>
        ))}
      </select>
      {teams.length > 0 && <OwnerChoice teams={teams} team={team} />}
      <TextField id="contact-label" label={t('contact.label')} value={label} />
      {fields.map((field) => (
        <Field key={`${chosen.value} ${field.key}`} field={field} values={values} />
      ))}
      {channel?.lends && (
        <label class="contact-check">
          <input
            type="checkbox"
            checked={own.value}
            onChange={(event) => {
              own.value = event.currentTarget.checked
            }}
          />{' '}
          {t('contact.ownGateway')}
        </label>
      )}
      <label for="contact-language">{t('contact.language')}</label>
      <select
        id="contact-language"
        value={speaks.value}
        onChange={(event) => {
          speaks.value = event.currentTarget.value
        }}
      >
        {languages.map((name) => (
          <option key={name} value={name}>
            {languageNames[name]}
          </option>
        ))}
      </select>
      <TextField id="contact-zone" label={t('contact.zone')} value={zone} />
      <ActionButton kind="primary" label={t('contact.save')} act={save} />
      <p role="status">{saved.value && t('contact.saved')}</p>
    </div>
  )
}

function OwnerChoice({ teams, team }: { teams: Account['teams']; team: { value: string } }) {
  return (
    <>
      <label for="contact-owner">{t('contact.for')}</label>
      <select
        id="contact-owner"
        value={team.value}
        onChange={(event) => {
          team.value = event.currentTarget.value
        }}
      >
        <option value="">{t('contact.forMe')}</option>
        {teams.map(({ id, name }) => (
          <option key={id} value={id}>
            {t('contact.team', { name })}
          </option>
        ))}
      </select>
    </>
  )
}

/** What was filled in, each in the type the hub expects. */
function settingsOf(
  fields: readonly ChannelField[],
  values: Readonly<Record<string, string>>,
): Record<string, unknown> {
  const settings: Record<string, unknown> = {}
  for (const { key, input } of fields) {
    const text = values[key]?.trim() ?? ''
    if (text === '') continue
    if (input === 'number') settings[key] = Number(text)
    else if (input === 'lines')
      settings[key] = text.split('\n').filter((line) => line.trim() !== '')
    else settings[key] = text
  }
  return settings
}

function TextField({ id, label, value }: { id: string; label: string; value: { value: string } }) {
  return (
    <>
      <label for={id}>{label}</label>
      <input
        id={id}
        value={value.value}
        maxLength={100}
        onInput={(event) => {
          value.value = event.currentTarget.value
        }}
      />
    </>
  )
}

function Field({
  field,
  values,
}: {
  field: ChannelField
  values: { value: Readonly<Record<string, string>> }
}) {
  const id = `contact-field-${field.key}`
  const value = values.value[field.key] ?? ''
  const take = (text: string) => {
    values.value = { ...values.value, [field.key]: text }
  }
  const notes = [
    ...(field.required ? [] : [t('contact.optional')]),
    ...(field.secret ? [t('contact.secretNote')] : []),
  ]
  return (
    <>
      <label for={id}>
        {t(`contact.field.${field.key}` as MessageKey)}
        {notes.length > 0 && <span class="muted"> ({notes.join(', ')})</span>}
      </label>
      {field.input === 'choice' ? (
        <select id={id} value={value} onChange={(event) => take(event.currentTarget.value)}>
          <option value="">{t('contact.choose')}</option>
          {field.choices.map((choice) => (
            <option key={choice} value={choice}>
              {choice}
            </option>
          ))}
        </select>
      ) : field.input === 'lines' || field.input === 'text' ? (
        <textarea
          id={id}
          rows={3}
          value={value}
          onInput={(event) => take(event.currentTarget.value)}
        />
      ) : (
        <input
          id={id}
          type={field.key === 'password' || field.key === 'secret' ? 'password' : 'text'}
          autocomplete="off"
          inputMode={field.input === 'number' ? 'numeric' : undefined}
          required={field.required}
          value={value}
          onInput={(event) => take(event.currentTarget.value)}
        />
      )}
    </>
  )
}
