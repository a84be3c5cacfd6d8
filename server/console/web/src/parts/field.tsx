interface Props {
  readonly id: string
  readonly label: string
  readonly value: { value: string }
  readonly type?: 'text' | 'password' | 'email'
  readonly autocomplete?: string
  readonly help?: string
  readonly required?: boolean
  readonly maxLength?: number
  readonly inputMode?: 'numeric' | 'text'
}

/** A labelled line to fill in; what is typed goes into the signal. */
export function Field({ id, label, value, type = 'text', help, ...more }: Props) {
  const helpId = `${id}-help`
  return (
    <>
      <label for={id}>{label}</label>
      <input
        id={id}
        type={type}
        spellcheck={false}
        autocapitalize="none"
        aria-describedby={help === undefined ? undefined : helpId}
        value={value.value}
        onInput={(event) => {
          value.value = event.currentTarget.value
        }}
        {...more}
      />
      {help !== undefined && (
        <p class="muted note" id={helpId}>
          {help}
        </p>
      )}
    </>
  )
}
