import {
  createTheme,
  type DataQueryRequest,
  type DataSourceApi,
  type DataSourceInstanceSettings,
  EventBusSrv,
  LoadingState,
  type PanelData,
} from '@grafana/data'
import { initPluginTranslations } from '@grafana/i18n'
import {
  config,
  type DataSourceSrv,
  FakeEchoSrv,
  setAppEvents,
  setDataSourceSrv,
  setEchoSrv,
  setPluginImportUtils,
  setRunRequest,
} from '@grafana/runtime'
import { sceneUtils } from '@grafana/scenes'
import { catchError, from, map, type Observable, of, startWith } from 'rxjs'
import { PrometheusApi } from './data-source.ts'
import { panelPlugins } from './panels.tsx'
import { fillRegistries } from './registries.ts'

/** The uid that the boards' variable `datasource` holds. */
const uid = 'callward'

/** As Grafana runs a panel's queries, without streams and without a backend. */
function runRequest(source: DataSourceApi, request: DataQueryRequest): Observable<PanelData> {
  const empty = { series: [], timeRange: request.range, request }
  return from(
    Promise.resolve(source.query(request) as Promise<{ data: PanelData['series'] }>),
  ).pipe(
    map(({ data }) => ({ ...empty, series: data, state: LoadingState.Done })),
    catchError((problem: Error) =>
      of({ ...empty, state: LoadingState.Error, errors: [{ message: problem.message }] }),
    ),
    startWith({ ...empty, state: LoadingState.Loading }),
  )
}

/** What Grafana's frame gives its packages when it starts: a theme, registries, one data source, the panels. */
export async function startServices(): Promise<void> {
  await initPluginTranslations('grafana')
  config.theme2 = createTheme({ colors: { mode: 'light' } })
  fillRegistries()
  const source = new PrometheusApi('prometheus', uid)
  const settings = { uid, name: 'Callward', type: 'prometheus', meta: source.meta }
  const instance = settings as DataSourceInstanceSettings
  sceneUtils.registerRuntimeDataSource({ dataSource: source })
  const sources = {
    get: async () => source,
    getList: () => [instance],
    getInstanceSettings: () => instance,
  }
  setDataSourceSrv(sources as unknown as DataSourceSrv)
  setRunRequest(runRequest as Parameters<typeof setRunRequest>[0])
  setAppEvents(new EventBusSrv())
  setEchoSrv(new FakeEchoSrv())
  const cached = (id: string) => panelPlugins.get(id)
  setPluginImportUtils({
    getPanelPluginFromCache: cached,
    async importPanelPlugin(id) {
      const plugin = cached(id)
      if (plugin === undefined) throw new Error(`The packages on npm do not draw "${id}".`)
      return plugin
    },
  })
}
