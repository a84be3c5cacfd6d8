import { basename } from 'node:path'
import type { ApprovalKind } from '../approvals/plugin.ts'
import { CallwardError } from '../errors.ts'
import type { BaselineFiles } from './baseline-files.ts'
import type { ApprovedVersion, BaselineStore } from './baseline-store.ts'

/** What two people agree on: a version that lies in the folder, word for word. The subject is `ROLE VERSION`. */
export function baselineApproval(
  store: BaselineStore,
  files: () => BaselineFiles,
): Pick<ApprovalKind, 'title' | 'draft' | 'apply'> {
  return {
    title: 'A new version of a baseline',
    async draft(subject): Promise<ApprovedVersion & { file: string }> {
      const { waiting } = files()
      const read = waiting.find(
        ({ baseline }) => `${baseline.role} ${baseline.version}` === subject,
      )
      if (read === undefined) {
        const names = waiting.map(({ baseline }) => `"${baseline.role} ${baseline.version}"`)
        throw new CallwardError(
          'unprocessable',
          `No baseline "${subject}" waits for two people; waiting: ${names.join(', ') || 'none'}.`,
        )
      }
      const { role, version } = read.baseline
      return { role, version, hash: read.hash, text: read.text, file: basename(read.file) }
    },
    async apply(tx, { content, requestedBy }) {
      // Only `draft` above makes requests of this kind.
      await store.approve(tx, content as ApprovedVersion, requestedBy.name)
    },
  }
}
