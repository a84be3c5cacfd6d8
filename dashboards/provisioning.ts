import { influxDatasource } from './influxdb/boards.ts'
import { datasource } from './shared.ts'

/** Where Grafana finds the boards once the provisioning folder is copied to /etc/grafana/provisioning. */
const boardsPath = '/etc/grafana/provisioning/dashboards/callward'

/** The report interval collectors start with; `$__rate_interval` is four of these. */
const reportInterval = '10s'

/**
 * The hub as a Prometheus data source. prometheusVersion is what the hub's API is like: below 2.24 Grafana would
 * fill variables by the costlier `series` call.
 */
export const datasourceFile = `# Written by \`npm run boards\`. Grafana puts in the two variables from its environment.
apiVersion: 1
datasources:
  - name: ${datasource.name}
    uid: ${datasource.uid}
    type: prometheus
    access: proxy
    url: $CALLWARD_URL/prom
    editable: false
    jsonData:
      httpMethod: POST
      timeInterval: ${reportInterval}
      prometheusType: Prometheus
      prometheusVersion: 2.53.0
      manageAlerts: true
      alertmanagerUid: ${datasource.uid}-am
      incrementalQuerying: false
      httpHeaderName1: Authorization
    secureJsonData:
      httpHeaderValue1: Bearer $CALLWARD_GRAFANA_TOKEN
  - name: ${datasource.name} alerts
    uid: ${datasource.uid}-am
    type: alertmanager
    access: proxy
    url: $CALLWARD_URL/am
    editable: false
    jsonData:
      implementation: prometheus
      handleGrafanaManagedAlerts: false
      httpHeaderName1: Authorization
    secureJsonData:
      httpHeaderValue1: Bearer $CALLWARD_GRAFANA_TOKEN
`

/** The folder "Callward", filled from files and not editable in the browser. */
export const providerFile = `# Written by \`npm run boards\`.
apiVersion: 1
providers:
  - name: callward
    folder: Callward
    folderUid: callward
    type: file
    disableDeletion: true
    allowUiUpdates: false
    updateIntervalSeconds: 30
    options:
      path: ${boardsPath}
`

/** VictoriaMetrics as a Prometheus data source: the boards' "Data source" then chooses between it and the hub. */
export const victoriaDatasourceFile = `# Written by \`npm run boards\`. Grafana puts in the variable from its environment.
apiVersion: 1
datasources:
  - name: ${datasource.name} VictoriaMetrics
    uid: ${datasource.uid}-victoriametrics
    type: prometheus
    access: proxy
    url: $CALLWARD_VICTORIAMETRICS_URL
    editable: false
    jsonData:
      httpMethod: POST
      timeInterval: ${reportInterval}
      prometheusType: Prometheus
      manageAlerts: false
`

/**
 * InfluxDB as a data source with InfluxQL; field names as in Grafana's "Configure the InfluxDB data source" (database in
 * `jsonData.dbName`).
 */
export const influxDatasourceFile = `# Written by \`npm run boards\`. Grafana puts in the variables from its environment.
apiVersion: 1
datasources:
  - name: ${influxDatasource.name}
    uid: ${influxDatasource.uid}
    type: influxdb
    access: proxy
    url: $CALLWARD_INFLUXDB_URL
    user: $CALLWARD_INFLUXDB_USER
    editable: false
    jsonData:
      version: InfluxQL
      dbName: callward
      httpMode: POST
      timeInterval: ${reportInterval}
    secureJsonData:
      password: $CALLWARD_INFLUXDB_PASSWORD
`

/** The boards on InfluxDB, in a folder of their own. */
export const influxProviderFile = `# Written by \`npm run boards\`.
apiVersion: 1
providers:
  - name: callward-influxdb
    folder: Callward on InfluxDB
    folderUid: callward-influxdb
    type: file
    disableDeletion: true
    allowUiUpdates: false
    updateIntervalSeconds: 30
    options:
      path: ${boardsPath}-influxdb
`
