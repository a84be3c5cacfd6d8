import { basename } from 'node:path'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { evaluate, settingsFault, whatIf } from '../../clocks/evaluate.ts'
import { instantOf, readCase, supposedFault } from '../../clocks/read-case.ts'
import { evaluationView, regimeView } from '../../clocks/view.ts'
import type { Clock } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { EvaluateAnswer, EvaluateBody, evaluateBytes, RegimeList } from './schema.ts'

const access = { owner: 'clocks', roles: ['admin', 'operator', 'auditor'] } as const

/** The regimes in force, and where their clocks stand for given facts. Nothing is kept. */
export const clockRoutes: FastifyPluginAsyncTypebox<{ readonly clock: Clock }> = async (
  app,
  { clock },
) => {
  app.get(
    '/api/v1/clocks/regimes',
    { config: { access }, schema: { response: { 200: RegimeList } } },
    async () => {
      const { byName, faults } = await app.clocks.regimes()
      return {
        regimes: [...byName.values()].map(({ regime, own }) => ({ ...regimeView(regime), own })),
        faults: faults.map((fault) => ({ ...fault, file: basename(fault.file) })),
      }
    },
  )

  app.post(
    '/api/v1/clocks/evaluate',
    {
      config: { access, rateLimit: { max: 600, timeWindow: 60_000 } },
      bodyLimit: evaluateBytes,
      schema: { body: EvaluateBody, response: { 200: EvaluateAnswer } },
    },
    async (request) => {
      const { regime: name, suppose = {}, now: asOf, ...content } = request.body
      const { byName } = await app.clocks.regimes()
      const regime = byName.get(name)?.regime
      if (regime === undefined) {
        const known = [...byName.keys()].join(', ')
        throw new CallwardError('not_found', `There is no regime "${name}"; known are ${known}.`)
      }
      const now = asOf === undefined ? clock.now() : instantOf(asOf)
      if (now === undefined)
        throw unfit(['now: is no instant with its zone; example: 2026-03-06T09:00:00+01:00'])
      const { value: theCase, faults } = readCase(content, now)
      if (theCase === undefined) throw unfit(faults.map(({ message }) => message))
      const missing = settingsFault(theCase.institution, regime)
      if (missing !== undefined) throw unfit([missing])
      const supposed = Object.entries(suppose).map(([fact, at]) => ({ name: fact, at }))
      const wrong = supposedFault(supposed, regime)
      if (wrong !== undefined) throw unfit([wrong])
      if (supposed.length === 0)
        return evaluationView(regime, theCase, now, evaluate(theCase, regime, now))
      const facts = supposed.map(({ name: fact, at }) => ({ name: fact, at: instantOf(at)! }))
      const then = whatIf(theCase, facts, regime, now)
      return evaluationView(regime, theCase, then.now, then.clocks)
    },
  )
}

function unfit(messages: readonly string[]): CallwardError {
  return new CallwardError('bad_request', messages.join('\n'))
}
