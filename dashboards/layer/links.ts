import type { LinkModel } from './model.ts'

/** Grafana's `${…}`, filled in when a board is drawn or a link followed. */
export function macro(name: string): string {
  return `\${${name}}`
}

/** Where a click leads: a title that says so and a URL, which may hold Grafana's `${…}` macros. */
export interface Link {
  readonly title: string
  readonly url: string
  /** True for pages outside Grafana. */
  readonly newTab?: boolean
}

/** Grafana's long form of a link; its JSON Schema demands every key, also in data links. */
export function linkModel(link: Link): LinkModel {
  return {
    asDropdown: false,
    icon: link.newTab === true ? 'external link' : 'dashboard',
    includeVars: false,
    keepTime: false,
    tags: [],
    targetBlank: link.newTab === true,
    title: link.title,
    tooltip: '',
    type: 'link',
    url: link.url,
  }
}

/** The menu at the top right that lists every board with `tag`, keeping time and variables. */
export function boardsMenu(title: string, tag: string): LinkModel {
  const menu = linkModel({ title, url: '' })
  return {
    ...menu,
    asDropdown: true,
    includeVars: true,
    keepTime: true,
    tags: [tag],
    type: 'dashboards',
  }
}

/**
 * A link to another board of ours, keeping the time range and the given variables.
 * `variables` maps names to values, which may be macros such as `${__data.fields.server:percentencode}`.
 */
export function boardLink(
  title: string,
  uid: string,
  variables: Readonly<Record<string, string>>,
): Link {
  const query = Object.entries(variables).map(([name, value]) => `var-${name}=${value}`)
  return { title, url: `/d/${uid}?${[...query, macro('__url_time_range')].join('&')}` }
}
