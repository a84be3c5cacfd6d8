import { backupsBoard } from './backups.ts'
import { fleetBoard } from './fleet.ts'
import { hardwareBoard } from './hardware.ts'
import type { Board } from './layer/board.ts'
import { serverBoard } from './server.ts'
import { versionsBoard } from './versions.ts'

/** Every board, in the order of their numbers. */
export function boards(hubUrl: string): readonly Board[] {
  return [
    fleetBoard(hubUrl),
    serverBoard(hubUrl),
    versionsBoard(hubUrl),
    backupsBoard(hubUrl),
    hardwareBoard(hubUrl),
  ]
}
