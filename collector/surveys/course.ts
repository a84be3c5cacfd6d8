/** How far a survey is, told by its process while it goes on, so that what hangs can be named and passed by. */
export interface Course {
  /** Before it turns to something that may hang: a path, where it is one. */
  at(what: string): void
  /** Paths that hung before, and all below them, are not looked at again. */
  readonly passed: readonly string[]
}

/** A path that hung before is not looked at again. */
export class HangsError extends Error {}

let course: Course = { at: () => {}, passed: [] }

/** Whom the survey of this process tells how far it is; one survey a process. */
export function follow(own: Course): void {
  course = own
}

/** Called before a look at a path that may lie on a mount that hangs. Throws HangsError when it, or a folder above it, hung before. */
export function approach(path: string): void {
  const hung = course.passed.find((one) => path === one || path.startsWith(`${one}/`))
  if (hung !== undefined)
    throw new HangsError(`${hung} hangs: it gave no answer, and the rest was read without it`)
  course.at(path)
}
