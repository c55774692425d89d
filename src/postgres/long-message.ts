// A message over 1 MiB, recorded piece by piece before each piece goes on. SQL stays readable; parameters are base64.

import { recordText } from '../pgwire/text.ts'
import type { LineData } from './line-data.ts'

type Kind = 'query' | 'parse' | 'bind' | 'call'

export class LongMessage {
  readonly #of: Kind
  readonly #id: number
  /** The statement's text has ended: what follows of a Parse are its parameter types. */
  #isPastText = false

  constructor(of: Kind, id: number) {
    this.#of = of
    this.#id = id
  }

  part(bytes: Buffer, index: number, isLast: boolean): LineData {
    const base = { id: this.#id, kind: 'part', of: this.#of, index, last: isLast || undefined }
    if (this.#of === 'bind' || this.#of === 'call')
      return { code: 'p', data: { ...base, raw: bytes.toString('base64') } }
    const name = this.#of === 'parse' && index === 0 ? bytes.indexOf(0) + 1 : 0
    const end = this.#isPastText ? name : bytes.indexOf(0, name)
    const text = recordText(bytes.subarray(name, end < 0 ? bytes.length : end), 'UTF8')
    // The NUL that ends the text and, of a Parse, the types behind it.
    const tail = end < 0 ? undefined : bytes.subarray(end)
    this.#isPastText ||= end >= 0
    return {
      code: 'q',
      data: {
        ...base,
        name: name > 0 ? bytes.toString('latin1', 0, name - 1) : undefined,
        sql: text.text,
        raw: text.raw,
        tail: this.#of === 'parse' ? tail?.toString('hex') : undefined,
      },
    }
  }
}
