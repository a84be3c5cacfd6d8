import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Clock } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Principal } from '../people/plugin.ts'
import { isTimeZone, referenceOf } from './message.ts'
import { sampleMessage } from './sample-message.ts'
import { PreviewAnswer, PreviewRequest } from './schema.ts'
import { smsSize } from './sms-segments.ts'
import { TemplateFault, type Templates } from './templates.ts'

const access = { owner: 'notify', roles: ['admin', 'operator'] } as const

/** Shows what people would read, from an invented alert. */
export const previewRoutes: FastifyPluginAsyncTypebox<{
  readonly templates: Templates
  readonly clock: Clock
  readonly url: string
}> = async (app, { templates, clock, url }) => {
  app.post(
    '/api/v1/notify/preview',
    {
      config: { access, rateLimit: { max: 120, timeWindow: 60_000 } },
      bodyLimit: 128 * 1024,
      schema: { body: PreviewRequest, response: { 200: PreviewAnswer } },
    },
    async (request) => {
      const {
        kind,
        channel = 'email',
        language = 'en',
        timeZone = 'UTC',
        template,
        form,
      } = request.body
      if (!isTimeZone(timeZone))
        throw new CallwardError(
          'bad_request',
          `timeZone: "${timeZone}" is no time zone. Example: Asia/Ho_Chi_Minh`,
        )
      const now = clock.now()
      const wanted = {
        ...{ language, channel, timeZone, now },
        message: sampleMessage(kind, now, url),
        reference: referenceOf('preview'),
      }
      if (template !== undefined && (request.principal as Principal).role !== 'admin')
        throw new CallwardError(
          'forbidden',
          'Only an administrator tries a template that is not installed.',
        )
      try {
        const made = templates.render(wanted)
        const own = template === undefined ? undefined : templates.try(template, wanted)
        const shown = { title: made.title, text: made.text, short: made.short }
        if (own !== undefined) shown[form ?? 'text'] = own
        return { ...shown, sms: smsSize(shown.short), faults: [...made.faults] }
      } catch (error) {
        if (error instanceof TemplateFault) throw new CallwardError('unprocessable', error.message)
        throw error
      }
    },
  )
}
