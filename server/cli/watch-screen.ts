import { clearLine, cursorTo, emitKeypressEvents } from 'node:readline'
import type { Terminal } from './command.ts'
import { displayWidth, fit } from './render.ts'

/** Where watch writes and how it is told what to do. */
export interface Screen {
  /** `written` is told when the terminal or the pipe has taken the line; never when it could not. */
  print(line: string, written?: () => void): void
  /** The line that stays at the bottom, and what keys it offers where there is room; only a terminal has one. */
  status(text: string, keys: string): void
  close(): void
}

/** Lines alone, for files and pipes. */
export function plainScreen({ stdout }: Terminal): Screen {
  return {
    print: (line, written) => void stdout.write(`${line}\n`, taken(written)),
    status() {},
    close() {},
  }
}

/** A terminal: lines scroll above one line that stays; keys are told as `up`, `a`, `ctrl-c`. */
export function keyScreen({ stdin, stdout }: Terminal, pressed: (key: string) => void): Screen {
  let status = { text: '', keys: '' }
  const wipe = () => {
    cursorTo(stdout, 0)
    clearLine(stdout, 0)
  }
  const draw = () => {
    wipe()
    // One column less than there is: a full last line would scroll.
    const columns = (stdout.columns ?? 80) - 1
    const room = columns - displayWidth(status.keys) - 3
    stdout.write(
      room < 40 ? fit(status.text, columns) : `${fit(status.text, room)} | ${status.keys}`,
    )
  }
  const onKey = (text: string | undefined, key: { name?: string; ctrl?: boolean }) => {
    if (key.ctrl === true) pressed(`ctrl-${key.name}`)
    else pressed(text === '?' ? '?' : (key.name ?? text ?? ''))
  }
  emitKeypressEvents(stdin)
  stdin.setRawMode(true)
  stdin.resume()
  stdin.on('keypress', onKey)
  stdout.on('resize', draw)
  return {
    print(line, written) {
      wipe()
      stdout.write(`${line}\n`, taken(written))
      draw()
    },
    status(text, keys) {
      status = { text, keys }
      draw()
    },
    close() {
      stdout.off('resize', draw)
      stdin.off('keypress', onKey)
      wipe()
      stdin.setRawMode(false)
      stdin.pause()
    },
  }
}

function taken(written: (() => void) | undefined): (error?: Error | null) => void {
  return (error) => {
    if (error === undefined || error === null) written?.()
  }
}
