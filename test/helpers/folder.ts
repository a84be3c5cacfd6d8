import type { Test } from 'tap'

/**
 * A new folder of this test, which goes after its teardowns. By itself tap removes a folder that was made before the
 * first teardown was named ahead of them all, from under hubs that still write to it.
 */
export function folderOf(t: Test, content: Parameters<Test['testdir']>[0] = {}): string {
  t.teardown(() => undefined)
  return t.testdir(content)
}
