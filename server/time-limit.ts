/**
 * Aborted with a `TimeoutError` after `millis`, or with the first of `signals`. `AbortSignal.any` alone holds what it is made of only weakly: in
 * Node 20 the timer of `AbortSignal.timeout` is cleared when memory is cleaned up, and nothing ends any more
 * (https://github.com/nodejs/node/issues/57736). What is listened to stays.
 */
export function endsWithin(millis: number, ...signals: readonly AbortSignal[]): AbortSignal {
  const limit = AbortSignal.timeout(millis)
  limit.addEventListener('abort', () => undefined, { once: true })
  return AbortSignal.any([limit, ...signals])
}
