// GSM 03.38 default alphabet and its extension table (3GPP TS 23.038 §6.2.1).
const basic = new Set(
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà',
)
const extended = new Set('^{}\\[~]|€\f')

export interface SmsSize {
  readonly encoding: 'GSM-7' | 'UCS-2'
  /** Septets, or UTF-16 units. */
  readonly units: number
  readonly segments: number
}

/** How many messages a text costs: 160 septets or 70 UTF-16 units in one, 153 or 67 in each of several (TS 23.040 §9.2.3.24.1). */
export function smsSize(text: string): SmsSize {
  let septets = 0
  for (const character of text) {
    if (basic.has(character)) septets += 1
    else if (extended.has(character)) septets += 2
    else
      return {
        encoding: 'UCS-2',
        units: text.length,
        segments: partsOf([...text], 70, 67, (one) => one.length),
      }
  }
  const width = (one: string) => (extended.has(one) ? 2 : 1)
  return { encoding: 'GSM-7', units: septets, segments: partsOf([...text], 160, 153, width) }
}

/** A character of two units never lies across two parts. */
function partsOf(
  characters: readonly string[],
  alone: number,
  each: number,
  width: (one: string) => number,
): number {
  const all = characters.reduce((sum, one) => sum + width(one), 0)
  if (all <= alone) return all === 0 ? 0 : 1
  let parts = 1
  let used = 0
  for (const one of characters) {
    if (used + width(one) > each) {
      parts++
      used = 0
    }
    used += width(one)
  }
  return parts
}
