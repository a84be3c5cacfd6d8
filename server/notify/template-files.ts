import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { TemplateFault, templateLimits } from './templates.ts'

/** Reads the `*.liquid` files of a folder by their names without the ending. Throws TemplateFault. */
export function readTemplateFolder(folder: string): Map<string, string> {
  const found = new Map<string, string>()
  let names: string[]
  try {
    names = readdirSync(folder).filter((name) => name.endsWith('.liquid'))
  } catch (error) {
    throw new TemplateFault(
      `the folder ${folder} cannot be read (${(error as NodeJS.ErrnoException).code}); mend notifyTemplatesFolder`,
    )
  }
  for (const name of names.sort()) {
    const path = join(folder, name)
    // Four bytes a character at most.
    if (statSync(path).size > templateLimits.characters * 4)
      throw new TemplateFault(
        `${name}: it is larger than ${templateLimits.characters} characters; shorten it`,
      )
    found.set(name.slice(0, -'.liquid'.length), readFileSync(path, 'utf8'))
  }
  return found
}
