import type { PageReceipts } from '../live/plugin.ts'
import type { RecordsTransaction } from '../records/records.ts'

/** Stamps the attempts that pushed pages belong to, in the transaction that keeps the receipts. */
export async function stampReceipts(
  tx: RecordsTransaction,
  receipts: readonly PageReceipts[],
): Promise<void> {
  for (const { kind, at, messages } of receipts) {
    const column = kind === 'displayed' ? 'displayed_at' : 'received_at'
    for (const { body } of messages) {
      const { attempt } = JSON.parse(body) as { readonly attempt?: unknown }
      if (typeof attempt !== 'string') continue
      await tx
        .updateTable('page_attempts')
        .set({ [column]: at })
        .where('id', '=', attempt)
        .where(column, 'is', null)
        .execute()
    }
  }
}
