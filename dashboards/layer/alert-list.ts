import { type Link, linkModel } from './links.ts'
import type { PanelModel } from './model.ts'
import { Panel } from './panel.ts'

export interface AlertListSpec {
  /** What is listed, how to read it, what to do. */
  readonly description: string
  /** Columns of 24. */
  readonly width: number
  /** In units of 30 pixels. */
  readonly height?: number
  /** Alerts in these states are listed. */
  readonly states: readonly ('firing' | 'pending')[]
  /** Label matchers, such as `server=~"$server"`, that an alert must pass. */
  readonly matchers: string
  readonly links: readonly Link[]
}

/** At most so many alerts, then Grafana and the console stop. */
const mostListed = 20
/** Grafana's number for "newest first". */
const newestFirst = 5

/**
 * Alerts of now, whatever the board's time: of all rules that Grafana knows, those of its data sources among them. Grafana
 * publishes no schema of this panel; the options are those of its `public/app/plugins/panel/alertlist/types.ts`.
 */
export class AlertList extends Panel {
  readonly spec: AlertListSpec

  constructor(number: number, title: string, spec: AlertListSpec) {
    super(number, title, { width: spec.width, height: spec.height ?? 8 })
    this.spec = spec
  }

  protected override body(): Omit<PanelModel, 'id' | 'title' | 'gridPos'> {
    const { description, states, matchers, links } = this.spec
    const stateFilter = {
      ...{ firing: states.includes('firing'), pending: states.includes('pending') },
      ...{ error: false, noData: false, normal: false, recovering: false },
    }
    const options = {
      alertInstanceLabelFilter: `{${matchers}}`,
      alertName: '',
      dashboardAlerts: false,
      groupBy: [],
      groupMode: 'default',
      maxItems: mostListed,
      showInactiveAlerts: false,
      showInstances: true,
      sortOrder: newestFirst,
      stateFilter,
      viewMode: 'list',
    }
    return { type: 'alertlist', description, options, links: links.map(linkModel) }
  }
}
