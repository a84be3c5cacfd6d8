/** Connections that have said which enrolment they are of and not proven it yet, bounded by address and in total. */
export class HalfOpen {
  readonly #most: number
  readonly #mostAnAddress: number
  readonly #byAddress = new Map<string, number>()
  #open = 0

  /** `perAddress` is left out where all connections come from one proxy. */
  constructor(most: number, perAddress: number = most) {
    this.#most = most
    this.#mostAnAddress = perAddress
  }

  get open(): number {
    return this.#open
  }

  /** Takes a place; undefined when none is left. Call the result once when it is over. */
  enter(address: string): (() => void) | undefined {
    const here = this.#byAddress.get(address) ?? 0
    if (this.#open >= this.#most || here >= this.#mostAnAddress) return undefined
    this.#open++
    this.#byAddress.set(address, here + 1)
    let left = false
    return () => {
      if (left) return
      left = true
      this.#open--
      const now = (this.#byAddress.get(address) ?? 1) - 1
      if (now === 0) this.#byAddress.delete(address)
      else this.#byAddress.set(address, now)
    }
  }
}
