import type { Missing } from './api-types.ts'
import { t } from './i18n/language.ts'

/** A request the hub refused or that never reached it (`status` 0). `message` is the hub's own text. */
export class ApiError extends Error {
  readonly status: number
  readonly code: string
  readonly requestId: string | undefined
  /** All that stands against it, one by one, where the hub named several things to mend. */
  readonly missing: readonly Missing[]

  constructor(
    status: number,
    code: string,
    message: string,
    requestId?: string,
    missing: readonly Missing[] = [],
  ) {
    super(message)
    this.missing = missing
    this.name = 'ApiError'
    this.status = status
    this.code = code
    this.requestId = requestId
  }
}

const requestTimeoutMs = 20_000

/** Called when the hub no longer knows who we are; set by the session. */
export const onUnauthorized: { handle: () => void } = { handle: () => {} }

async function request(
  path: string,
  init: RequestInit,
  timeoutMs = requestTimeoutMs,
): Promise<unknown> {
  let response: Response
  try {
    response = await fetch(path, {
      credentials: 'same-origin',
      ...init,
      signal: eitherOf(AbortSignal.timeout(timeoutMs), init.signal),
    })
  } catch (error) {
    throw new ApiError(0, 'unreachable', error instanceof Error ? error.message : String(error))
  }
  const text = await response.text()
  const body = parseJson(text)
  if (response.ok) return body
  const error = (
    body as {
      error?:
        | { code?: string; message?: string; requestId?: string; missing?: readonly Missing[] }
        | string
    } | null
  )?.error
  if (typeof error === 'string') throw new ApiError(response.status, 'query', error) // Prometheus's own shape
  throw new ApiError(
    response.status,
    error?.code ?? 'http',
    error?.message ?? `HTTP ${response.status}`,
    error?.requestId,
    error?.missing,
  )
}

/** Ends with the first of both. */
function eitherOf(timeout: AbortSignal, other: AbortSignal | null | undefined): AbortSignal {
  return other === null || other === undefined ? timeout : AbortSignal.any([timeout, other])
}

function parseJson(text: string): unknown {
  try {
    return text === '' ? null : JSON.parse(text)
  } catch {
    return null
  }
}

async function guarded<T>(answer: Promise<unknown>): Promise<T> {
  try {
    return (await answer) as T
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) onUnauthorized.handle()
    throw error
  }
}

/** GET of JSON. Throws ApiError; a 401 leads to the sign-in page. */
export function get<T>(path: string, timeoutMs?: number): Promise<T> {
  return guarded<T>(request(path, { headers: { accept: 'application/json' } }, timeoutMs))
}

/** POST of JSON. Throws ApiError; a 401 leads to the sign-in page. */
export function post<T>(path: string, body: unknown = {}): Promise<T> {
  return guarded<T>(request(path, json(body)))
}

const uploadTimeoutMs = 300_000

/** POST of a file as it is. Throws ApiError; a 401 leads to the sign-in page. */
export function postFile<T>(path: string, file: File): Promise<T> {
  const headers = {
    accept: 'application/json',
    'content-type': file.type === '' ? 'application/octet-stream' : file.type,
  }
  return guarded<T>(request(path, { method: 'POST', body: file, headers }, uploadTimeoutMs))
}

/** PUT of JSON. Throws ApiError; a 401 leads to the sign-in page. */
export function put<T>(path: string, body: unknown): Promise<T> {
  return guarded<T>(request(path, { ...json(body), method: 'PUT' }))
}

/** DELETE. Throws ApiError; a 401 leads to the sign-in page. */
export function remove(path: string): Promise<void> {
  return guarded<void>(request(path, { method: 'DELETE', headers: { accept: 'application/json' } }))
}

/** POST that may answer 401 without leaving the page: signing in. */
export async function postOpen<T>(path: string, body: unknown): Promise<T> {
  return (await request(path, json(body))) as T
}

/** POST of a form, as Prometheus's query API takes it; `signal` gives it up. */
export function postForm<T>(
  path: string,
  fields: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<T> {
  return guarded<T>(
    request(path, {
      method: 'POST',
      body: new URLSearchParams(fields),
      headers: { accept: 'application/json' },
      ...(signal === undefined ? {} : { signal }),
    }),
  )
}

function json(body: unknown): RequestInit {
  return {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', accept: 'application/json' },
  }
}

/** An error as a sentence that says what to do next. */
export function explain(error: unknown): string {
  if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error)
  if (error.status === 0) return t('error.unreachable')
  if (error.status === 403) return t('error.forbidden')
  if (error.status === 404) return t('error.notFound')
  if (error.status === 409) return t('error.conflict')
  const message = t('error.other', { message: error.message })
  return error.requestId ? `${message} (${t('error.requestId', { id: error.requestId })})` : message
}
