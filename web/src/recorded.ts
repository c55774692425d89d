// A session's lines as the page reads them: `[interval, code, data]` with the time since the session opened.

export interface Recorded {
  readonly seq: number
  /** Seconds since the header line. */
  readonly at: number
  readonly code: string
  readonly data: unknown
}

export interface Term {
  readonly cols: number
  readonly rows: number
}

export interface Recording {
  readonly term: Term
  readonly events: readonly Recorded[]
}

/** Text a stream line carries; undefined for lines that carry none. Bytes that are no UTF-8 read as replacement marks. */
export function streamText(event: Recorded): { readonly stream: 'i' | 'o' | 'e'; readonly text: string } | undefined {
  const { code, data } = event
  if (code === 'o' || code === 'i' || code === 'e')
    return typeof data === 'string' ? { stream: code, text: data } : undefined
  if (code !== 'b' || typeof data !== 'object' || data === null) return undefined
  const { s, d } = data as { s?: unknown; d?: unknown }
  if ((s !== 'i' && s !== 'o' && s !== 'e') || typeof d !== 'string') return undefined
  const bytes = Uint8Array.from(atob(d), (char) => char.charCodeAt(0))
  return { stream: s, text: new TextDecoder().decode(bytes) }
}

/** Reads lines one by one; keeps the time. */
export class LineReader {
  #at = 0
  #seq = 0
  term: Term = { cols: 80, rows: 24 }

  /** The event of a line; undefined for the header. Throws SyntaxError when the line is not JSON. */
  read(line: string): Recorded | undefined {
    const value: unknown = JSON.parse(line)
    const seq = this.#seq++
    if (!Array.isArray(value)) {
      this.term = termOf(value) ?? this.term
      return undefined
    }
    const [interval, code, data] = value as [number, string, unknown]
    // Intervals are differences of rounded times: rounding the sum again keeps it exact.
    this.#at = Math.round((this.#at + interval) * 1e6) / 1e6
    return { seq, at: this.#at, code, data }
  }
}

/** The terminal's size as a header says it. */
export function termOf(header: unknown): Term | undefined {
  const { term } = (header ?? {}) as { term?: { cols?: unknown; rows?: unknown } | null }
  return typeof term?.cols === 'number' && typeof term.rows === 'number' && isDrawable(term.cols, term.rows)
    ? { cols: term.cols, rows: term.rows }
    : undefined
}

/** True for a size a browser can draw: a hostile one must not make it allocate what it has not. */
export function isDrawable(cols: number, rows: number): boolean {
  return Number.isInteger(cols) && Number.isInteger(rows) && cols > 0 && rows > 0 && cols <= 1_000 && rows <= 500
}
