interface Choice {
  readonly href: string
  readonly label: string
  readonly chosen: boolean
}

/** Links that look like a switch; the address holds the choice, so it can be sent to somebody. */
export function Tabs({ label, choices }: { label: string; choices: readonly Choice[] }) {
  return (
    <nav class="tabs" aria-label={label}>
      {choices.map((choice) => (
        <a key={choice.href} href={choice.href} aria-current={choice.chosen ? 'page' : undefined}>
          {choice.label}
        </a>
      ))}
    </nav>
  )
}
