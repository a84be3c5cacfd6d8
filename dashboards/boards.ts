import { awaitedBoards } from './awaited.ts'
import { backupsBoard } from './backups.ts'
import { fleetBoard } from './fleet.ts'
import { hardwareBoard } from './hardware.ts'
import { hubBoard } from './hub.ts'
import { incidentsBoard } from './incidents.ts'
import type { Board } from './layer/board.ts'
import { oncallBoard } from './oncall.ts'
import { serverBoard } from './server.ts'
import { versionsBoard } from './versions.ts'

/** Every board. */
export function boards(hubUrl: string): readonly Board[] {
  return [
    fleetBoard(hubUrl),
    serverBoard(hubUrl),
    versionsBoard(hubUrl),
    backupsBoard(hubUrl),
    hardwareBoard(hubUrl),
    oncallBoard(hubUrl),
    incidentsBoard(hubUrl),
    hubBoard(hubUrl),
    ...awaitedBoards(hubUrl),
  ]
}
