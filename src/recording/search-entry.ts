// What of a recording can be found by its words: what was asked of a database and failed, what a screen showed, commands,
// notices, reasons. What was typed counts only as far as the target wrote it back onto that very line: a password typed
// where nothing is echoed stands on no screen, and so in no entry.

import { type ExportedEvent, type ExportedHeader, type Exporter, record, textOf } from './exported-line.ts'
import { PlainScreen } from './plain-screen.ts'
import { TypedLines } from './typed-line.ts'

export type SearchKind = 'reason' | 'command' | 'statement' | 'error' | 'typed' | 'screen' | 'notice'

/** One thing to be found. */
export interface SearchEntry {
  /** Number of its line in the recording. */
  readonly line: number
  /** Ms since the header line. */
  readonly ms: number
  readonly kind: SearchKind
  /** One line of plain text, at most `longestEntry` characters. */
  readonly text: string
}

/** Longer texts become several entries: an excerpt is cut from one, and the words of a search meet within one. */
export const longestEntry: number = 8192
/** Characters taken from one recording: a terminal that printed gigabytes is found by how it began. */
export const mostCharacters: number = 64 << 20

/** Feed it through `exportLines`. */
export class SearchEntries implements Exporter<readonly SearchEntry[]> {
  readonly #screens = { o: new PlainScreen(), e: new PlainScreen() }
  readonly #most: number
  #typed: TypedLines | undefined
  /** False for protocols that are no text (sftp) and for SQL, which is told by its statements. */
  #hasScreen = true
  #hasTerminal = false
  #last = { line: 0, ms: 0 }
  #characters = 0

  constructor(most: number = mostCharacters) {
    this.#most = most
  }

  /** True when the recording has more than was taken. */
  get isCut(): boolean {
    return this.#characters >= this.#most
  }

  header({ facts, isSql }: ExportedHeader): readonly SearchEntry[] {
    const what = record(facts['what'])
    const grant = record(facts['grant'])
    this.#hasScreen = !isSql && what['kind'] !== 'subsystem'
    this.#hasTerminal = typeof what['term'] === 'object' && what['term'] !== null
    if (this.#hasTerminal) this.#typed = new TypedLines()
    const at = { line: 0, ms: 0 }
    const why = [grant['reason'], grant['incident'], grant['trigger']].map(textOf).filter(Boolean).join(' · ')
    return [...this.#entries(at, 'reason', why), ...this.#entries(at, 'command', textOf(what['command']))]
  }

  event({ seq, seconds, code, data, text }: ExportedEvent): readonly SearchEntry[] {
    const at = { line: seq, ms: Math.round(seconds * 1000) }
    if (text !== undefined) {
      // Bytes that are no text, on a stream that is no terminal's, are a file or a protocol.
      if (!this.#hasScreen || (code === 'b' && !this.#hasTerminal)) return []
      if (text.stream !== 'i') return this.#shown(at, text.stream, text.text)
      this.#typed?.type(text.text, at, this.#screens.o.current)
      return []
    }
    const fact = record(data)
    switch (code) {
      case 'q':
        return this.#entries(at, 'statement', textOf(fact['sql']))
      case 'd':
        return this.#entries(at, 'error', textOf(fact['error']))
      case 'n':
        return this.#entries(at, 'notice', textOf(fact['text'] ?? fact['message'] ?? fact['payload']))
      default:
        return []
    }
  }

  end(): readonly SearchEntry[] {
    const rest = [...this.#screens.o.flush(), ...this.#screens.e.flush()]
    return rest.flatMap((line) => this.#entries(this.#last, 'screen', line))
  }

  #shown(at: Moment, stream: 'o' | 'e', text: string): SearchEntry[] {
    this.#last = at
    const entries: SearchEntry[] = []
    for (const line of this.#screens[stream].write(text)) {
      const typed = stream === 'o' ? this.#typed?.ended(line) : undefined
      if (typed !== undefined) entries.push(...this.#entries(typed, 'typed', typed.text))
      entries.push(...this.#entries(at, 'screen', line))
    }
    return entries
  }

  #entries({ line, ms }: Moment, kind: SearchKind, text: string): SearchEntry[] {
    const entries: SearchEntry[] = []
    for (let from = 0; from < text.length && !this.isCut; from += longestEntry) {
      const piece = text.slice(from, from + longestEntry)
      this.#characters += piece.length
      const shown = piece
        .toWellFormed()
        .replaceAll(/[\p{Cc}\s]+/gu, ' ')
        .trim()
      if (/[\p{L}\p{N}]/u.test(shown)) entries.push({ line, ms, kind, text: shown })
    }
    return entries
  }
}

/** A line of the recording and its time (ms since the header line). */
type Moment = Pick<SearchEntry, 'line' | 'ms'>
