/** Lets the console open without the network; browsers allow it over https and on the hub's own machine. */
export function startOffline(): void {
  if (!('serviceWorker' in navigator)) return
  navigator.serviceWorker
    .register('/service-worker.js', { scope: '/', updateViaCache: 'none' })
    .catch((error: unknown) => console.warn('The console will not open without network.', error))
}
