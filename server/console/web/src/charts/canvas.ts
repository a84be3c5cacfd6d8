import type { RefObject } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import '../styles/charts.css'

/** What a canvas of curves is made from. */
export interface Canvas {
  readonly heightPx: number
  /** Asked when the canvas is made, so that colours are those of the moment. */
  readonly options: () => Omit<uPlot.Options, 'width' | 'height'>
  readonly columns: () => uPlot.AlignedData
  /** The canvas is made anew when one of these changes: what the options say. */
  readonly shape: readonly unknown[]
  /** The canvas is fed when one of these changes: what the columns hold. */
  readonly figures: readonly unknown[]
}

/** The colour of a custom property, such as `--muted`, in the scheme of the moment. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim()
}

/** How axes look on every canvas. */
export function axisLook() {
  return {
    stroke: colour('--muted'),
    grid: { stroke: colour('--grid'), width: 1 },
    ticks: { show: false },
    font: '11px system-ui',
  }
}

/** Curves by uPlot in the box that takes this reference, as wide as the box; drawn anew when the colour scheme changes too. */
export function useCanvas(canvas: Canvas): RefObject<HTMLDivElement> {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const latest = useRef(canvas)
  latest.current = canvas
  useEffect(() => {
    const place = box.current!
    const draw = () => {
      plot.current?.destroy()
      const { options, columns, heightPx: height } = latest.current
      const whole = { ...options(), width: place.clientWidth, height }
      plot.current = new uPlot(whole, columns(), place)
    }
    draw()
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    scheme.addEventListener('change', draw)
    const sizes = new ResizeObserver(() =>
      plot.current?.setSize({ width: place.clientWidth, height: latest.current.heightPx }),
    )
    sizes.observe(place)
    return () => {
      scheme.removeEventListener('change', draw)
      sizes.disconnect()
      plot.current?.destroy()
      plot.current = null
    }
  }, [canvas.heightPx, ...canvas.shape])
  useEffect(() => plot.current?.setData(latest.current.columns()), [...canvas.figures])
  return box
}
