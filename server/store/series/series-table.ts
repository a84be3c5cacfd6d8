import { type ByteReader, BytesError, type ByteWriter } from '../bytes.ts'
import type { Labels } from '../reader.ts'

/**
 * Label sets as numbers of texts; a text is written once, where it first appears:
 * `varint labels, then a name and a value each: varint number (0: new, text follows; else number of a known text)`.
 */
export class SeriesTableWriter {
  private readonly numbers = new Map<string, number>()

  write(writer: ByteWriter, labels: Labels): void {
    const names = Object.keys(labels)
    writer.varint(names.length)
    for (const name of names) {
      this.text(writer, name)
      this.text(writer, labels[name]!)
    }
  }

  private text(writer: ByteWriter, text: string): void {
    const number = this.numbers.get(text)
    if (number !== undefined) {
      writer.varint(number)
      return
    }
    this.numbers.set(text, this.numbers.size + 1)
    writer.varint(0)
    writer.text(text)
  }
}

/** Reads what one SeriesTableWriter wrote, in the same order. Throws BytesError. */
export class SeriesTableReader {
  private readonly texts: string[] = []

  read(reader: ByteReader): Labels {
    const labels: Record<string, string> = {}
    for (let left = reader.varint(); left > 0; left--) {
      const name = this.text(reader)
      labels[name] = this.text(reader)
    }
    return labels
  }

  private text(reader: ByteReader): string {
    const number = reader.varint()
    if (number === 0) {
      const text = reader.text()
      this.texts.push(text)
      return text
    }
    const text = this.texts[number - 1]
    if (text === undefined) throw new BytesError(`text ${number} of ${this.texts.length}`)
    return text
  }
}
