/** Everything known of one label name. */
interface Name {
  readonly text: string
  readonly number: number
  /** Pair by value. */
  readonly pairs: Map<string, number>
}

/** Label pairs (a name with a value) as numbers, counted from 0 by first sight; a pair is never forgotten. */
export class LabelPairs {
  private readonly names = new Map<string, Name>()
  private readonly nameList: Name[] = []
  private readonly values: string[] = []
  private nameNumbers = new Uint32Array(256)
  /** By place in a set: the name and the pair found there last; sets of one sender hardly differ from one to the next. */
  private readonly lastNames: (Name | undefined)[] = []
  private readonly lastPairs: number[] = []

  /** Pairs known. */
  get count(): number {
    return this.values.length
  }

  /** Number of a pair, -1 when it is not known. */
  find(name: string, value: string): number {
    return this.names.get(name)?.pairs.get(value) ?? -1
  }

  /** As `find`, quicker when the pairs at the same place of earlier sets had the same name or value. */
  findAt(place: number, text: string, value: string): number {
    let name = this.lastNames[place]
    if (name === undefined || name.text !== text) {
      name = this.names.get(text)
      if (name === undefined) return -1
      while (this.lastNames.length <= place) {
        this.lastNames.push(undefined)
        this.lastPairs.push(-1)
      }
      this.lastNames[place] = name
      this.lastPairs[place] = -1
    }
    const last = this.lastPairs[place]!
    if (last >= 0 && this.values[last] === value) return last
    const pair = name.pairs.get(value) ?? -1
    if (pair >= 0) this.lastPairs[place] = pair
    return pair
  }

  /** Number of a pair, made on first sight. */
  make(name: string, value: string): number {
    const entry = this.names.get(name) ?? this.makeName(name)
    const known = entry.pairs.get(value)
    if (known !== undefined) return known
    const pair = this.values.length
    if (pair === this.nameNumbers.length) {
      const grown = new Uint32Array(pair * 2)
      grown.set(this.nameNumbers)
      this.nameNumbers = grown
    }
    this.values.push(value)
    this.nameNumbers[pair] = entry.number
    entry.pairs.set(value, pair)
    return pair
  }

  private makeName(text: string): Name {
    const name = { text, number: this.nameList.length, pairs: new Map<string, number>() }
    this.names.set(text, name)
    this.nameList.push(name)
    return name
  }

  name(pair: number): string {
    return this.nameList[this.nameNumbers[pair]!]!.text
  }

  value(pair: number): string {
    return this.values[pair]!
  }

  /** Number of a pair's name, counted from 0 by first sight. */
  nameNumber(pair: number): number {
    return this.nameNumbers[pair]!
  }

  /** Number of a name, -1 when it is not known. */
  numberOfName(name: string): number {
    return this.names.get(name)?.number ?? -1
  }

  nameText(number: number): string {
    return this.nameList[number]!.text
  }

  /** Names known. */
  get nameCount(): number {
    return this.nameList.length
  }

  /** Pairs of a name. */
  of(name: string): Iterable<number> {
    return this.names.get(name)?.pairs.values() ?? []
  }
}
