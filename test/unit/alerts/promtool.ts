import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Why promtool cannot be asked, or false. With CALLWARD_REQUIRE_PEERS=1 its absence is an error. */
export const promtoolMissing: string | false = findPromtool()

function findPromtool(): string | false {
  if (spawnSync('promtool', ['--version']).status === 0) return false
  if (process.env['CALLWARD_REQUIRE_PEERS'] === '1') throw new Error('promtool is not installed')
  return 'promtool is not installed'
}

/** Runs `promtool check rules`; the faults it names, or undefined when it accepts the files. */
export function checkRules(files: readonly string[]): string | undefined {
  return outputWhenFailing(['check', 'rules', ...files])
}

/** Runs `promtool test rules` on files; its complaint, or undefined when all pass. */
export function testRules(files: readonly string[]): string | undefined {
  return outputWhenFailing(['test', 'rules', ...files])
}

/** Runs `promtool test rules` on documents that stand only in memory. */
export function testRuleTexts(
  texts: Readonly<Record<string, string>>,
  testFile: string,
): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'callward-promtool-'))
  try {
    for (const [name, text] of Object.entries(texts)) writeFileSync(join(folder, name), text)
    return outputWhenFailing(['test', 'rules', join(folder, testFile)])
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function outputWhenFailing(args: readonly string[]): string | undefined {
  try {
    execFileSync('promtool', args, { stdio: 'pipe', timeout: 240_000 })
    return undefined
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: Buffer; stderr?: Buffer }
    return `${stdout?.toString() ?? ''}${stderr?.toString() ?? ''}` || String(error)
  }
}
