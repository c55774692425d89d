// Exports to read: what a terminal showed as plain text, an SQL session as a script with its outcomes, every event as one
// JSON object. None of them carries control characters to the reader's own terminal.

import {
  type ExportedEvent,
  type ExportedHeader,
  type Exporter,
  record,
  textOf,
  timeOf,
  withoutControls,
} from './exported-line.ts'
import { PlainScreen } from './plain-screen.ts'
import { SqlStatements, type Asked } from './sql-statements.ts'

/** `--jsonl`: `{"seq":…,"at":"<ISO 8601>","seconds":…,"code":…,"data":…}`, the header first. */
export class JsonlExport implements Exporter {
  #timestamp = 0

  header(header: ExportedHeader): string {
    this.#timestamp = header.timestamp
    const { cols, rows, type, title, facts } = header
    return `${JSON.stringify({ seq: 0, at: this.#at(0), seconds: 0, code: 'header', data: { cols, rows, type, title, ...facts } })}\n`
  }

  event({ seq, seconds, code, data, text }: ExportedEvent): string {
    // Bytes that are no text stay as they are recorded: nothing is lost in this form.
    const shown = text === undefined || code === 'b' ? { code, data } : { code: text.stream, data: text.text }
    return `${JSON.stringify({ seq, at: this.#at(seconds), seconds, ...shown })}\n`
  }

  end(): string {
    return ''
  }

  #at(seconds: number): string {
    return new Date(Math.round((this.#timestamp + seconds) * 1000)).toISOString()
  }
}

/** `--text`: what was on the screen, line by line, each with its time; what Halligan said stands in brackets. */
export class TextExport implements Exporter {
  readonly #screen = new PlainScreen()
  readonly #sql = new SqlExport()
  #header: ExportedHeader | undefined

  header(header: ExportedHeader): string {
    this.#header = header
    return `${introduction(header, '# ')}\n`
  }

  event(event: ExportedEvent): string {
    if (this.#header?.isSql === true) return this.#sql.event(event)
    const { seconds, code, data, text } = event
    const lines: string[] = []
    if (text !== undefined && text.stream !== 'i') lines.push(...this.#screen.write(text.text))
    const notice = code === 'n' ? textOf(record(data)['text'] ?? record(data)['message']) : ''
    if (notice !== '') lines.push(...this.#screen.flush(), `[${oneLine(notice)}]`)
    return lines.map((line) => `${timeOf(this.#header, seconds)}  ${line}\n`).join('')
  }

  end(): string {
    if (this.#header?.isSql === true) return this.#sql.end()
    return this.#screen
      .flush()
      .map((line) => `${' '.repeat(12)}  ${line}\n`)
      .join('')
  }
}

/** `--sql`: the statements in the order of their outcomes, each under a comment with time, outcome and parameters. */
export class SqlExport implements Exporter {
  readonly #statements = new SqlStatements()
  #header: ExportedHeader | undefined

  header(header: ExportedHeader): string {
    this.#header = header
    return `${introduction(header, '-- ')}\n`
  }

  event(event: ExportedEvent): string {
    const asked = this.#statements.take(event)
    return asked === undefined ? '' : this.#block(asked)
  }

  end(): string {
    return this.#statements
      .rest()
      .map((asked) => this.#block(asked))
      .join('')
  }

  #block({ id, seconds, sql, parameters, outcome }: Asked): string {
    const said = [`-- ${timeOf(this.#header, seconds)} UTC  #${id}  ${oneLine(outcome)}`]
    for (const [index, value] of parameters.entries())
      said.push(`-- $${index + 1} = ${value === null ? 'NULL' : oneLine(JSON.stringify(value))}`)
    const text = withoutControls(sql).trimEnd()
    return `${said.join('\n')}\n${text}${/;\s*$/.test(text) || text === '' ? '' : ';'}\n\n`
  }
}

function introduction({ title, timestamp, facts }: ExportedHeader, prefix: string): string {
  const grant = record(facts['grant'])
  const lines = [
    title,
    `session ${textOf(facts['id'])}, ${new Date(timestamp * 1000).toISOString()}, from ${textOf(facts['address'])}`,
    `grant ${textOf(grant['id'])} (${textOf(grant['trigger'])}): ${textOf(grant['reason'])}`,
    'An export: the sealed recording is the evidence.',
  ]
  return lines.map((line) => `${prefix}${oneLine(line)}\n`).join('')
}

function oneLine(text: string): string {
  return withoutControls(text, /(?!)/)
}
