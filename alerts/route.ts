import type { Labels } from './alert.ts'
import { matchesAll } from './matchers.ts'
import type { Route } from './routing-config.ts'

/**
 * The routes an alert takes, in the tree's order: the deepest matching node of the first matching branch, and of
 * later branches where a branch says `continue` (Alertmanager, dispatch/route.go). Never empty for the first route,
 * which has no matchers.
 */
export function routesFor(route: Route, labels: Labels): readonly Route[] {
  if (!matchesAll(route.matchers, labels)) return []
  const found: Route[] = []
  for (const child of route.routes) {
    const deeper = routesFor(child, labels)
    found.push(...deeper)
    if (deeper.length > 0 && !child.continue) break
  }
  return found.length > 0 ? found : [route]
}

/** The labels that make the alert's group under this route. */
export function groupLabels(route: Route, labels: Labels): Labels {
  if (route.groupBy === 'all') return labels
  const chosen: Record<string, string> = {}
  for (const name of route.groupBy) if (Object.hasOwn(labels, name)) chosen[name] = labels[name]!
  return chosen
}

/** Names a group: the route, the receiver and the group's labels. */
export function groupKey(route: Route, receiver: string, labels: Labels): string {
  const text = Object.keys(labels)
    .sort()
    .map((name) => `${name}=${JSON.stringify(labels[name])}`)
    .join(',')
  return `${route.key}>${receiver}:{${text}}`
}
