import { contentOf } from './content.ts'
import { formOf } from './file-form.ts'
import { fileId, lookAtFiles, newestOf } from './files.ts'
import type { FileJob } from './job.ts'
import {
  type Around,
  type BackupKind,
  isNamed,
  type RestoreAround,
  type Restored,
  sampleFiles,
  type Verified,
} from './kind.ts'
import { untar } from './untar.ts'

/** Archives are unpacked by this program, not by tar: what is in them cannot reach out of the scratch folder. */
export const tarKind: BackupKind<FileJob> = { look: lookAtFiles, verify, restore }

async function verify(job: FileJob, around: Around): Promise<Verified> {
  const file = await newestOf(job, around)
  const content = contentOf(file.path, formOf(file.name).packing, around.signal)
  const { filesSeen } = await untar(content, { target: undefined, bytesLimit: 0 })
  return { copy: fileId(file), detail: `the archive was read to its end: ${filesSeen} files` }
}

async function restore(job: FileJob, around: RestoreAround): Promise<Restored> {
  const { plan, target, signal } = around
  const file = await newestOf(job, around)
  const { packing } = formOf(file.name)
  await around.claim(plan.mode === 'whole' ? file.bytes : Math.min(file.bytes, plan.maximumBytes))
  let others = 0
  const chooses = (path: string, bytes: number, bytesSoFar: number) => {
    if (plan.mode === 'whole' || isNamed(plan, path)) return true
    if (others >= sampleFiles || bytesSoFar + bytes > plan.maximumBytes) return false
    others++
    return true
  }
  const content = contentOf(file.path, packing, signal)
  const { files, bytes } = await untar(content, { target, bytesLimit: plan.maximumBytes, chooses })
  return { copy: fileId(file), copyAt: file.modifiedAt, tool: 'callward-collector', files, bytes }
}
