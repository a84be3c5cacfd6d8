import ajvCompiler from '@fastify/ajv-compiler'
import jsonCompiler from '@fastify/fast-json-stringify-compiler'
import type {
  FastifyInstance,
  FastifySchema,
  FastifySchemaCompiler,
  FastifySerializerCompiler,
} from 'fastify'

/** Fastify's own compiler of what comes in: nothing is taken away from it, and a query may be a number or a list. */
export const compileValidator = ajvCompiler()(
  {},
  { customOptions: { removeAdditional: false, coerceTypes: 'array' } },
) as FastifySchemaCompiler<FastifySchema>

/** Fastify's own compiler of what goes out. */
export const compileSerializer = jsonCompiler()({}, {}) as FastifySerializerCompiler<FastifySchema>

/**
 * Compiles a route's schemas when they are first used: those of every route took a quarter of the hub's start, and
 * most are never asked for between two starts. That each can be compiled is proven by a test of all routes.
 */
export function compileSchemasWhenUsed(app: FastifyInstance): void {
  app.setValidatorCompiler<FastifySchema>((definition) => {
    let compiled: ReturnType<typeof compileValidator> | undefined
    const validate: ReturnType<typeof compileValidator> = (data: unknown) => {
      compiled ??= compileValidator(definition)
      const valid = compiled(data)
      validate.errors = compiled.errors ?? null
      return valid
    }
    return validate
  })
  app.setSerializerCompiler<FastifySchema>((definition) => {
    let compiled: ReturnType<typeof compileSerializer> | undefined
    return (data: unknown) => {
      compiled ??= compileSerializer(definition)
      return compiled(data)
    }
  })
}
