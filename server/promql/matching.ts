import type { Matcher } from '../store/reader.ts'
import { compileAnchored } from './regex.ts'

/** Whether a label's value satisfies a matcher; a label that is missing has an empty value. */
export function matches(matcher: Matcher, value: string): boolean {
  switch (matcher.op) {
    case '=':
      return value === matcher.value
    case '!=':
      return value !== matcher.value
    case '=~':
      return compileAnchored(matcher.value).test(value)
    case '!~':
      return !compileAnchored(matcher.value).test(value)
  }
}
