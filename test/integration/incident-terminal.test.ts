import t from 'tap'
import { folderOf } from '../helpers/folder.ts'
import { TestHub } from '../helpers/hub.ts'
import { type Said, terminalHere } from '../helpers/terminal.ts'

/** One person's `callward incident`. */
type Callward = (...args: string[]) => Promise<Said>

t.test('an incident from its record to its end in the terminal', async (t) => {
  const hub = await TestHub.start(folderOf(t))
  t.teardown(() => hub.stop())
  const person = async (name: string, role = 'operator'): Promise<Callward> => {
    const terminal = terminalHere(hub.url, await hub.token(name, role))
    return (...args) => terminal('incident', ...args)
  }
  const lena = await person('lena')
  const tam = await person('tam')
  const rita = await person('rita')
  const auditor = await person('audrey', 'auditor')
  const does = async (who: Callward, out: RegExp, ...args: string[]) =>
    t.match(await who(...args), { code: 0, out }, args.join(' '))
  const refused = async (who: Callward, out: RegExp, ...args: string[]) =>
    t.match(await who(...args), { code: 1, out }, `refused: ${args.join(' ')}`)
  const misused = async (who: Callward, out: RegExp, ...args: string[]) =>
    t.match(await who(...args), { code: 2, out }, `misused: ${args.join(' ')}`)

  await misused(lena, /Name the service: --service/, 'record', 'Callers hear nothing')
  await misused(lena, /WHAT WAS SEEN/, 'record')
  await refused(auditor, /role auditor may not/, 'record', 'x', '--service', 'hotline')
  const recorded = ['record', 'Callers hear nothing', '--service', 'hotline', '--severity', 'sev2']
  await does(lena, /Recorded as #1/, ...recorded)
  await does(auditor, /Callers hear nothing[\s\S]*recorded/, '1')
  await does(
    lena,
    /It is recorded[\s\S]*no part in it[\s\S]*-> plan_active[\s\S]*Seldom needed[\s\S]*-> cancelled/,
    ...['1', 'next'],
  )
  await does(lena, /root_cause +the root cause by code/, 'kinds')
  await does(
    lena,
    /codes +a list of 1 to 5[\s\S]*system_failure\/hardware_ageing +3\(c\) Hardware obsolescence/,
    ...['kinds', 'root_cause'],
  )

  // Skipping a step, and stepping without the part.
  await refused(
    lena,
    /not commander[\s\S]*no step leads from recorded to dispatched/,
    ...['1', 'step', 'dispatched', '--as', 'commander'],
  )
  await does(lena, /lena is commander/, '1', 'take', 'commander')
  await refused(lena, /no runbook is pinned/, '1', 'step', 'plan_active', '--as', 'commander')
  const plan = ['plan_activated', 'None fits.', 'reason=does_not_apply']
  await misused(
    lena,
    /names no field of plan_activated/,
    '1',
    'step',
    'plan_active',
    '--as',
    'commander',
    'plan_activated',
    'x',
    'why=none',
  )
  await does(lena, /is plan_active/, '1', 'step', 'plan_active', '--as', 'commander', ...plan)
  await does(lena, /Written/, '1', 'fact', 'assigned', 'Please go.', 'technician=tam')
  await refused(
    lena,
    /tam is assigned but has not accepted/,
    ...['1', 'step', 'dispatched', '--as', 'commander'],
  )
  await refused(lena, /tam accepts in person/, '1', 'fact', 'accepted', 'Yes.', 'technician=tam')
  await does(tam, /Written/, '1', 'fact', 'accepted', 'On my way.', 'technician=tam')
  await does(lena, /tam +accepted/, '1', 'assignments')
  await does(lena, /Callers hear nothing/, '1', 'notice', 'management', 'opening', '--preview')
  await misused(lena, /to whom/, '1', 'notice')
  await does(lena, /next update is due/, '1', 'notices')
  await does(auditor, /Restore sev2/, '1', 'clocks')
  await does(auditor, /FROZEN/, '1', 'evidence')
  await refused(rita, /Nothing waits for rita/, '1', 'accept')
  await misused(rita, /Say why/, '1', 'decline')
  await does(lena, /is dispatched/, '1', 'step', 'dispatched', '--as', 'commander')
  await refused(tam, /no technician arrived/, '1', 'step', 'investigating', '--as', 'technician')
  const arrived = ['arrived', 'There.', 'technician=tam', 'mode=on_site']
  await does(
    tam,
    /is investigating/,
    '1',
    'step',
    'investigating',
    '--as',
    'technician',
    ...arrived,
  )
  await does(tam, /Written/, '1', 'fact', 'mitigated', 'Card replaced.')
  await does(tam, /tam is verifier/, '1', 'take', 'verifier')
  await refused(
    tam,
    /the verifier is the fixer tam/,
    ...['1', 'step', 'restored', '--as', 'verifier', 'recovered', 'Works.'],
    ...['evidence=person', 'verifier=tam'],
  )
  const seen = ['recovered', 'A call went through.', 'evidence=person', 'verifier=lena']
  await does(lena, /is restored/, '1', 'step', 'restored', '--as', 'commander', ...seen)
  await refused(
    lena,
    /temporary measures are missing/,
    '1',
    'step',
    'root_cause',
    '--as',
    'commander',
  )
  const temporary = ['temporary_measure', 'Spare card.']
  await does(lena, /is root_cause/, '1', 'step', 'root_cause', '--as', 'commander', ...temporary)
  await refused(
    tam,
    /coded root cause is missing[\s\S]*permanent measures are missing/,
    ...['1', 'step', 'review', '--as', 'technician'],
  )
  const { incident } = await hub.api<{
    incident: { facts: { id: string; kind: string; sequence: number }[] }
  }>('/api/v1/incidents/1')
  const mitigated = incident.facts.find(({ kind }) => kind === 'mitigated')!
  const cause = ['fact', 'root_cause', 'The card was old.', 'codes=system_failure/hardware_ageing']
  await refused(
    tam,
    /codes\[0\].*incident kinds root_cause/,
    '1',
    'fact',
    'root_cause',
    'x',
    'codes=bad_luck',
    'evidence=x',
  )
  await misused(
    tam,
    /Incident 1 has no fact 999; .* shows their numbers/,
    '1',
    ...cause,
    'evidence=999',
  )
  await does(tam, new RegExp(`\\n +${mitigated.sequence}  .*mitigated`), '1')
  await does(tam, /Written/, '1', ...cause, `evidence=${mitigated.sequence}`)
  await does(tam, /Written/, '1', 'fact', 'permanent_measure', 'Cards are replaced after 5 years.')
  await does(tam, /is review/, '1', 'step', 'review', '--as', 'technician')

  await does(tam, /tam is reviewer/, '1', 'take', 'reviewer')
  await refused(tam, /the reviewer is the author tam/, '1', 'step', 'closed', '--as', 'reviewer')
  await does(rita, /rita is reviewer/, '1', 'take', 'reviewer')
  await does(rita, /Written/, '1', 'fact', 'action', 'Replace all.', 'number=1', 'action=prevent')
  await refused(
    rita,
    /is not answered \(promptness\)[\s\S]*action 1 has no owner[\s\S]*action 1 has no due date[\s\S]*closing notice[\s\S]*has not attested/,
    ...['1', 'step', 'closed', '--as', 'reviewer'],
  )
  const action = (
    await hub.api<{ incident: { facts: { id: string; kind: string; sequence: number }[] } }>(
      '/api/v1/incidents/1',
    )
  ).incident.facts.find(({ kind }) => kind === 'action')!.id
  await does(
    rita,
    /Written/,
    ...['1', 'fact', 'action', 'Replace all.', 'number=1', 'action=prevent', 'owner=tam'],
    ...['dueAt=2031-01-31T12:00:00Z', '--supersedes', action],
  )
  for (const question of ['promptness', 'analysis_quality', 'escalation', 'communication'])
    await does(rita, /Written/, '1', 'fact', 'answer', 'Well.', `question=${question}`)
  await does(rita, /Written/, '1', 'fact', 'notice_not_needed', 'No customer was cut off.')
  await does(rita, /Written/, '1', 'fact', 'attestation', 'I have read it all.')
  await does(rita, /is closed/, '1', 'step', 'closed', '--as', 'reviewer')
  await refused(lena, /closed, which is final/, '1', 'step', 'investigating', '--as', 'commander')
  await does(auditor, /Replace all\.[\s\S]*by tam, due/, '1', 'next')
  // A panel of a board, kept with it.
  await does(auditor, /No panel is attached/, '1', 'panels')
  await does(lena, /BOARD +TITLE[\s\S]*server +Callward \/ Server/, '1', 'panel')
  await does(lena, /207 +timeseries +CPU: utilisation/, '1', 'panel', 'server')
  const reports = ['panel', 'server', 'reports that wait', '--server', 'pbx-1, pbx-2']
  await refused(auditor, /role auditor may not/, '1', ...reports)
  await refused(lena, /no panel "CPU"; its panels .* panel server/, '1', 'panel', 'server', 'CPU')
  await refused(lena, /no board "x"/, '1', 'panel', 'x', '1')
  await misused(lena, /--before is a number of minutes/, '1', ...reports, '--before', '1h')
  await does(
    lena,
    /Reports that wait · server pbx-1, pbx-2 is attached, .* It shows no figures/,
    ...['1', ...reports, '--before', '120', '--after', '0'],
  )
  await does(
    auditor,
    /FILE +PANEL[\s\S]*Reports that wait · server pbx-1, pbx-2 .* lena/,
    '1',
    'panels',
  )

  await does(
    auditor,
    /# Post-mortem: Incident 1[\s\S]*Card replaced\.[\s\S]*The card was old\./,
    ...['1', 'post-mortem', '--zone', 'Europe/Riga'],
  )
  await does(auditor, /<html lang="zh/, '1', 'post-mortem', '--format', 'html', '--language', 'zh')
  await refused(auditor, /zone: "Mars"/, '1', 'post-mortem', '--zone', 'Mars')
  await misused(lena, /"dance" is not known/, '1', 'dance')
  await refused(lena, /no incident 99/, '99')
})
