/** What of a text fits, with a note of what is missing; `size` measures (bytes, septets, characters) and never shrinks as text grows. */
export function fit(
  text: string,
  most: number,
  note: (missing: number) => string,
  size: (text: string) => number = (text) => [...text].length,
): string {
  if (size(text) <= most) return text
  const characters = [...text]
  let low = 0
  let high = characters.length
  const withNote = (kept: number) =>
    `${characters.slice(0, kept).join('').trimEnd()}${note(characters.length - kept)}`
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (size(withNote(middle)) <= most) low = middle
    else high = middle - 1
  }
  return withNote(low)
}

export const utf8Bytes = (text: string) => Buffer.byteLength(text)
