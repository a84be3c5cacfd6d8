import { useSignal } from '@preact/signals'
import { addressQuery } from '../../../../../dashboards/drawing/address.ts'
import type { PanelDefinition } from '../../../../../dashboards/drawing/definition.ts'
import { drawnKinds } from '../../../../../dashboards/drawing/picture.ts'
import { explain } from '../api.ts'
import { t } from '../i18n/language.ts'
import { AlertListPanel } from './alert-list-panel.tsx'
import { CurvePanel } from './curve-panel.tsx'
import { BarsPanel, StatPanel, TablePanel, TextPanel } from './figure-panels.tsx'
import { GaugePanel } from './gauge-panel.tsx'
import { HeatmapPanel } from './heatmap-panel.tsx'
import { HistogramPanel } from './histogram-panel.tsx'
import { LanesPanel } from './lanes-panel.tsx'
import { usePanelData } from './panel-data.ts'
import type { Scene } from './scene.ts'
import { Linked } from './shown.tsx'

const withoutQueries: readonly string[] = ['text', 'alertlist']

interface Props {
  readonly panel: PanelDefinition
  readonly scene: Scene
}

/** One panel of a board: its title, what it says of itself, and its figures. */
export function Panel({ panel, scene, heading }: Props & { readonly heading: string }) {
  const asTable = useSignal(false)
  const { w, h } = panel.gridPos
  return (
    <section
      class={`card board-panel panel-${panel.type}`}
      aria-labelledby={heading}
      style={{ '--columns': String(w), '--lines': String(h) }}
    >
      <header>
        <h3 id={heading}>{panel.title}</h3>
        <About
          panel={panel}
          scene={scene}
          asTable={asTable.value}
          turn={() => {
            asTable.value = !asTable.value
          }}
        />
      </header>
      {panel.type === 'text' && <TextPanel panel={panel} />}
      {panel.type === 'alertlist' && <AlertListPanel panel={panel} scene={scene} />}
      {!withoutQueries.includes(panel.type) && (
        <Figures panel={panel} scene={scene} asTable={asTable.value} />
      )}
    </section>
  )
}

function Figures({ panel, scene, asTable }: Props & { asTable: boolean }) {
  const { data, error } = usePanelData(panel, scene)
  if (data === null)
    return error === null ? (
      <p class="panel-nothing muted">{t('loading')}</p>
    ) : (
      <p class="panel-nothing problem">{explain(error)}</p>
    )
  return (
    <>
      {error !== null && <p class="problem">{t('boards.stale', { reason: explain(error) })}</p>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <section class="panel-body" tabIndex={0} aria-label={panel.title}>
        {drawn({ panel, scene, data }, asTable)}
      </section>
    </>
  )
}

type Drawing = Parameters<typeof StatPanel>[0]

function drawn(drawing: Drawing, asTable: boolean) {
  switch (drawing.panel.type) {
    case 'timeseries':
      return <CurvePanel {...drawing} asTable={asTable} />
    case 'stat':
      return <StatPanel {...drawing} />
    case 'gauge':
      return <GaugePanel {...drawing} />
    case 'bargauge':
      return <BarsPanel {...drawing} />
    case 'state-timeline':
    case 'status-history':
      return <LanesPanel {...drawing} />
    case 'heatmap':
      return <HeatmapPanel {...drawing} asTable={asTable} />
    case 'histogram':
      return <HistogramPanel {...drawing} />
    case 'table':
      return <TablePanel {...drawing} />
    default:
      return (
        <>
          <p class="muted">{t('boards.kind', { kind: drawing.panel.type })}</p>
          <BarsPanel {...drawing} />
        </>
      )
  }
}

/** Panels that can be a table, and what leads back from it. */
const backFromTable: Readonly<Record<string, 'boards.asCurve' | 'boards.asPicture'>> = {
  timeseries: 'boards.asCurve',
  heatmap: 'boards.asPicture',
}

/** What the panel shows and where it leads, behind a small button. */
function About({ panel, scene, asTable, turn }: Props & { asTable: boolean; turn: () => void }) {
  const turned = backFromTable[panel.type]
  return (
    <details class="about-panel">
      <summary aria-label={t('boards.about', { title: panel.title })}>
        <span aria-hidden="true">i</span>
      </summary>
      <div class="about-text">
        {panel.description !== undefined && <p>{panel.description}</p>}
        {panel.links?.map((link) => (
          <p key={link.url}>
            <Linked text={link.title} links={[link]} labels={{}} scene={scene} />
          </p>
        ))}
        {drawnKinds.includes(panel.type) && (
          <p>
            <a
              href={pictureAddress(panel, scene, 'svg')}
              download={`${scene.board}-${panel.id}.svg`}
            >
              {t('boards.picture')}
            </a>{' '}
            <a
              href={pictureAddress(panel, scene, 'png')}
              download={`${scene.board}-${panel.id}.png`}
            >
              {t('boards.picturePng')}
            </a>
          </p>
        )}
        {turned !== undefined && (
          <button type="button" class="plain small" onClick={turn}>
            {t(asTable ? turned : 'boards.asTable')}
          </button>
        )}
      </div>
    </details>
  )
}

/** The same panel and time, drawn by the hub. */
function pictureAddress(
  { id }: PanelDefinition,
  { board, from, to, choices }: Scene,
  kind: 'svg' | 'png',
): string {
  const query = addressQuery({ from, to, refresh: '', choices })
  return `/api/v1/boards/${encodeURIComponent(board)}/panels/${id}/picture.${kind}?${query}${kind === 'png' ? '&scale=2' : ''}`
}
