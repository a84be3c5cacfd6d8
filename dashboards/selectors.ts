/** The hosts the board's variables choose; every stored series has these labels. */
export const chosenHosts = 'customer=~"$customer",site=~"$site",role=~"$role",server=~"$server"'

/**
 * The same for alerts and incidents on boards about many hosts: one without such a label (a rule over several
 * hosts may drop it) concerns all of them and must not vanish. `.+` and a name both gain the empty text.
 */
export const chosenOrUnlabelled =
  'customer=~"$customer|",site=~"$site|",role=~"$role|",server=~"$server|"'

/** Labels that name one host in a table or a legend; `simulated` only exists on the demo's hosts. */
export const hostNames = 'customer, site, server, role, instance, simulated'

/** Real storage: no memory disks, no layers of containers, no read-only images. */
export const realFilesystems = 'fstype!~"tmpfs|overlay|squashfs|iso9660"'

/**
 * `count(selector)`, and 0 where nothing matches, but only while the hub knows a chosen host at all: without
 * any host the answer is absent, and the panel says so instead of showing a healthy zero.
 */
export function countOrZero(vector: string): string {
  return `count(${vector}) or 0 * count(callward_collector_up{${chosenHosts}})`
}
