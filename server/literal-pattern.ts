/** A regular expression (RE2's, and JavaScript's) that takes just these texts: for a matcher `=~`. */
export function literalPattern(texts: Iterable<string>): string {
  return [...texts].map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|')
}
