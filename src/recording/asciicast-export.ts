// asciicast of a recording: version 3 as it was recorded, without what only Halligan knows, or version 2 for older players
// (docs.asciinema.org/manual/asciicast/v2 and v3). An SQL session becomes a terminal that shows its statements.

import {
  type ExportedEvent,
  type ExportedHeader,
  type Exporter,
  record,
  textOf,
  withoutControls,
} from './exported-line.ts'
import { SqlStatements } from './sql-statements.ts'

type Entry = readonly [seconds: number, code: string, data: string]

/** `version` 3: intervals; 2: times since the start, and no exit status, which version 2 does not know. */
export class AsciicastExport implements Exporter {
  readonly #version: 2 | 3
  readonly #statements = new SqlStatements()
  #isSql = false
  #lastSeconds = 0

  constructor(version: 2 | 3) {
    this.#version = version
  }

  header(header: ExportedHeader): string {
    this.#isSql = header.isSql
    const { cols, rows, type, timestamp, title } = header
    const written =
      this.#version === 3
        ? { version: 3, term: { cols, rows, type }, timestamp, title }
        : { version: 2, width: cols, height: rows, timestamp, title, env: { TERM: type } }
    return `${JSON.stringify(written)}\n`
  }

  event(event: ExportedEvent): string {
    return (this.#isSql ? this.#sql(event) : this.#terminal(event)).map((entry) => this.#line(entry)).join('')
  }

  end(): string {
    return ''
  }

  #terminal({ seconds, code, data, text }: ExportedEvent): Entry[] {
    // What was written as error was on the same screen.
    if (text !== undefined) return text.text === '' ? [] : [[seconds, text.stream === 'i' ? 'i' : 'o', text.text]]
    if (code === 'r' || code === 'm') return [[seconds, code, textOf(data)]]
    if (code === 'x') return this.#version === 3 ? [[seconds, 'x', textOf(data)]] : []
    const notice = code === 'n' ? record(data) : {}
    return notice['kind'] === 'notice' ? [[seconds, 'm', textOf(notice['text'])]] : []
  }

  #sql(event: ExportedEvent): Entry[] {
    const { seconds, code } = event
    if (code === 'x' || code === 'm') return this.#terminal(event)
    const asked = this.#statements.take(event)
    if (asked === undefined) return []
    const sql = onScreen(asked.sql)
    const marker: Entry = [seconds, 'm', asked.sql.replaceAll(/\s+/g, ' ').slice(0, 120)]
    return [marker, [seconds, 'o', `\u001b[1m=> \u001b[0m${sql}\r\n${onScreen(asked.outcome)}\r\n\r\n`]]
  }

  #line([seconds, code, data]: Entry): string {
    const time = this.#version === 2 ? seconds : Math.round((seconds - this.#lastSeconds) * 1e6) / 1e6
    this.#lastSeconds = seconds
    return `${JSON.stringify([time, code, data])}\n`
  }
}

function onScreen(text: string): string {
  return withoutControls(text).replaceAll('\n', '\r\n')
}
