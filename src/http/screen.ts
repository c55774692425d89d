// The terminal of one live session, kept headless for as long as someone watches: a late watcher gets its present screen
// at once and then what happens. Nothing the session prints leaves it but as text and colours.

import { createRequire } from 'node:module'
import { decodeLine, type EventLine } from '../recording/event-line.ts'
import type { TailItem } from './tail.ts'

export interface Frame {
  readonly seq: number
  readonly atUs: number
  readonly what:
    | { readonly kind: 'output'; readonly bytes: Buffer }
    | { readonly kind: 'resize'; readonly cols: number; readonly rows: number }
    | { readonly kind: 'marker'; readonly label: Buffer }
    | { readonly kind: 'exit'; readonly status: number }
}

export interface Snapshot {
  readonly seq: number
  readonly atUs: number
  readonly cols: number
  readonly rows: number
  /** What draws the screen on an empty terminal of that size. */
  readonly init: string
}

/** The largest terminal drawn: beyond any real one, and a bound on what a hostile resize makes us allocate. */
const MAX_COLS = 1_000
const MAX_ROWS = 500

/** Final bytes of sequences whose count a program may choose at will. One beyond any screen is left out: no program means it. */
const COUNTED = ['b', 'S', 'T', 'L', 'M', 'I', 'Z']

/** The emulator draws so much before it looks whether others wait: to clear or scroll the largest screen takes it 2 to 6 ms. */
const TURN_BYTES = 64

/** Bytes the emulator may have waiting before its feed pauses. */
const EMULATOR_HIGH_WATER_BYTES = 256 * 1024

/** Reads one line of a session as what a terminal shows; undefined for what it does not. `isRaw`: the session had no PTY. */
export function frameOf(item: Extract<TailItem, { kind: 'line' }>, isRaw: boolean): Frame | undefined {
  const what = shown(decodeLine(item.line), isRaw)
  return what === undefined ? undefined : { seq: item.seq, atUs: item.atUs, what }
}

function shown(line: EventLine, isRaw: boolean): Frame['what'] | undefined {
  if (line.kind === 'header') return sizeOfHeader(line.header)
  const { code, data } = line
  switch (code) {
    case 'o':
    case 'e':
      return output(Buffer.from(String(data)), code, isRaw)
    case 'b': {
      const { s, d } = data as { s: string; d: string }
      return s === 'i' ? undefined : output(Buffer.from(d, 'base64'), s, isRaw)
    }
    case 'r': {
      const [cols, rows] = String(data).split('x').map(Number)
      return resize(cols, rows)
    }
    case 'm':
      return { kind: 'marker', label: Buffer.from(String(data)) }
    case 'x': {
      const status = Number(data)
      return { kind: 'exit', status: Number.isSafeInteger(status) && status >= 0 ? status : 1 }
    }
    default:
      return undefined
  }
}

function sizeOfHeader(header: Readonly<Record<string, unknown>>): Frame['what'] | undefined {
  const term = header['term'] as { readonly cols?: unknown; readonly rows?: unknown } | undefined
  return resize(Number(term?.cols), Number(term?.rows))
}

function resize(cols: number | undefined, rows: number | undefined): Frame['what'] | undefined {
  const fits = (size: number | undefined, max: number): size is number =>
    size !== undefined && Number.isSafeInteger(size) && size > 0 && size <= max
  return fits(cols, MAX_COLS) && fits(rows, MAX_ROWS) ? { kind: 'resize', cols, rows } : undefined
}

// Without a PTY nobody turned LF into CR LF on the way; error output is told apart by colour.
function output(bytes: Buffer, stream: string, isRaw: boolean): Frame['what'] {
  if (!isRaw) return { kind: 'output', bytes }
  const text = bytes.toString('latin1').replaceAll(/\r?\n/g, '\r\n')
  const coloured = stream === 'e' ? `\x1b[31m${text}\x1b[39m` : text
  return { kind: 'output', bytes: Buffer.from(coloured, 'latin1') }
}

// Both packages are CommonJS whose names Node does not see from an import.
const require = createRequire(import.meta.url)
const { Terminal } = require('@xterm/headless') as typeof import('@xterm/headless')
const { SerializeAddon } = require('@xterm/addon-serialize') as typeof import('@xterm/addon-serialize')

/** A headless terminal fed with frames. */
export class Screen {
  readonly #terminal: InstanceType<typeof Terminal>
  readonly #serialize: InstanceType<typeof SerializeAddon>
  #pendingBytes = 0
  #last = { seq: -1, atUs: 0 }

  constructor() {
    // No scrollback: a watcher is shown the screen; the replay has the rest.
    this.#terminal = new Terminal({ cols: 80, rows: 24, scrollback: 0, allowProposedApi: true })
    this.#serialize = new SerializeAddon()
    this.#terminal.loadAddon(this.#serialize)
    this.#boundCounts()
  }

  /** Applies one frame; resolves when the emulator can take more. */
  async apply({ seq, atUs, what }: Frame): Promise<void> {
    this.#last = { seq, atUs }
    if (what.kind === 'resize') {
      // Resizing acts at once, output later: what was written before must be drawn at the old size.
      await this.#flush()
      this.#terminal.resize(what.cols, what.rows)
    }
    if (what.kind !== 'output') return
    this.#pendingBytes += what.bytes.length
    for (let at = 0; at < what.bytes.length; at += TURN_BYTES)
      this.#terminal.write(what.bytes.subarray(at, at + TURN_BYTES))
    this.#terminal.write('', () => {
      this.#pendingBytes -= what.bytes.length
    })
    if (this.#pendingBytes > EMULATOR_HIGH_WATER_BYTES) await this.#flush()
  }

  /** The screen after every frame applied so far; `taken` is called in the same turn of the emulator. */
  snapshot(taken: (snapshot: Snapshot) => void): void {
    const { seq, atUs } = this.#last
    this.#terminal.write('', () => {
      const { cols, rows } = this.#terminal
      taken({ seq, atUs, cols, rows, init: this.#serialize.serialize({ scrollback: 0 }) })
    })
  }

  dispose(): void {
    this.#terminal.dispose()
  }

  // REP, SU, SD, IL, DL, CHT and CBT: the emulator counts them down one by one in the turn that reads them, up to 2^31.
  #boundCounts(): void {
    for (const final of COUNTED)
      this.#terminal.parser.registerCsiHandler({ final }, ([count]) => {
        const most = final === 'b' ? MAX_COLS : MAX_ROWS
        return typeof count === 'number' && count > most
      })
  }

  #flush(): Promise<void> {
    return new Promise((resolve) => this.#terminal.write('', resolve))
  }
}
