import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BoardDefinition, slugOf } from '../../dashboards/drawing/definition.ts'
import { CallwardError } from '../errors.ts'

/** The generated boards, read when first asked for. */
export class Definitions {
  readonly #folder: string
  #boards: readonly BoardDefinition[] | undefined

  constructor(folder: string) {
    this.#folder = folder
  }

  /** In the order of their numbers. */
  list(): readonly BoardDefinition[] {
    this.#boards ??= readdirSync(this.#folder)
      .filter((name) => name.endsWith('.json'))
      .sort()
      .map((name) => JSON.parse(readFileSync(join(this.#folder, name), 'utf8')) as BoardDefinition)
    return this.#boards
  }

  /** By the name in addresses, such as `fleet`. Throws `not_found`. */
  get(name: string): BoardDefinition {
    const found = this.list().find(({ uid }) => slugOf(uid) === name)
    if (found === undefined)
      throw new CallwardError(
        'not_found',
        `There is no board "${name}"; /api/v1/boards lists them.`,
      )
    return found
  }
}
