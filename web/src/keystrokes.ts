// What was typed, as a person reads it: lines of text, keys and pastes, each with its time. Text that the target did not
// echo (a password, an editor's commands) is marked, so that it is not shown before someone asks for it.

import { streamText, type Recorded } from './recorded.ts'

export type Stroke = (
  | { readonly kind: 'text'; readonly text: string; readonly isEchoed: boolean }
  /** Sent in one piece: a paste, or a program's input. */
  | { readonly kind: 'paste'; readonly text: string; readonly isEchoed: boolean }
  | { readonly kind: 'key'; readonly text: string }
  /** The terminal answered a question of the program; nobody typed it. */
  | { readonly kind: 'report'; readonly text: string }
) & { readonly at: number }

export interface TypedLine {
  readonly at: number
  readonly until: number
  readonly strokes: readonly Stroke[]
}

/** A pause this long (s) starts a new line also without Enter. */
const PAUSE_S = 8

/** The echo of a character comes within this time (s) and this many other characters: more would find any word in noise. */
const ECHO_S = 1
const ECHO_CHARS = 16

/** This many characters in one chunk were not typed one by one. */
const PASTE_CHARS = 6

const CONTROL_NAMES: Readonly<Record<string, string>> = {
  '\r': '⏎',
  '\n': '⏎',
  '\t': '⇥',
  '\x7f': '⌫',
  '\b': '⌫',
  '\x1b': 'Esc',
  '\x00': '^Space',
}

const SEQUENCES: Readonly<Record<string, string>> = {
  A: '↑',
  B: '↓',
  C: '→',
  D: '←',
  H: 'Home',
  F: 'End',
  P: 'F1',
  Q: 'F2',
  R: 'F3',
  S: 'F4',
  Z: '⇧⇥',
  '2~': 'Ins',
  '3~': 'Del',
  '5~': 'PgUp',
  '6~': 'PgDn',
  '1~': 'Home',
  '4~': 'End',
}

/** The lines typed in a session, in order. */
export function typedLines(events: readonly Recorded[]): TypedLine[] {
  const outputs = new Outputs(events)
  const lines: { at: number; until: number; strokes: Stroke[] }[] = []
  let isOpen = false
  for (const stroke of joined(strokesOf(events, outputs), outputs)) {
    const line = lines.at(-1)
    if (line === undefined || !isOpen || stroke.at - line.until > PAUSE_S)
      lines.push({ at: stroke.at, until: stroke.at, strokes: [stroke] })
    else {
      line.strokes.push(stroke)
      line.until = stroke.at
    }
    isOpen = !(stroke.kind === 'key' && ['⏎', '^C', '^D', '^Z'].includes(stroke.text))
  }
  return lines
}

type Typed = { readonly kind: 'char'; readonly text: string; readonly at: number } | Exclude<Stroke, { kind: 'text' }>

function* strokesOf(events: readonly Recorded[], outputs: Outputs): Generator<Typed> {
  let pasting: { text: string; at: number } | undefined
  for (const event of events) {
    const chunk = streamText(event)
    if (chunk?.stream !== 'i') continue
    for (const token of tokensOf(chunk.text)) {
      if (token.kind === 'paste-start') pasting = { text: '', at: event.at }
      else if (token.kind === 'paste-end') {
        if (pasting !== undefined) yield paste(pasting.text, pasting.at, outputs)
        pasting = undefined
      } else if (pasting !== undefined) pasting.text += token.raw
      else if (token.kind === 'chars' && Array.from(token.raw).length >= PASTE_CHARS)
        yield paste(token.raw, event.at, outputs)
      else if (token.kind === 'chars') for (const char of token.raw) yield { kind: 'char', text: char, at: event.at }
      else yield { kind: token.kind, text: token.text, at: event.at }
    }
  }
  if (pasting !== undefined) yield paste(pasting.text, pasting.at, outputs)
}

function paste(text: string, at: number, outputs: Outputs): Typed {
  return { kind: 'paste', text, at, isEchoed: outputs.echo(Array.from(text, (char) => ({ text: char, at }))) }
}

/** Characters typed one after the other become one text. */
function* joined(typed: Iterable<Typed>, outputs: Outputs): Generator<Stroke> {
  let chars: { text: string; at: number }[] = []
  const flush = function* (): Generator<Stroke> {
    const [first] = chars
    if (first === undefined) return
    const text = chars.map((char) => char.text).join('')
    yield { kind: 'text', text, at: first.at, isEchoed: outputs.echo(chars) }
    chars = []
  }
  for (const next of typed) {
    if (next.kind === 'char') {
      const last = chars.at(-1)
      if (last !== undefined && next.at - last.at > PAUSE_S) yield* flush()
      chars.push(next)
      continue
    }
    yield* flush()
    yield next
  }
  yield* flush()
}

interface Token {
  readonly kind: 'chars' | 'key' | 'report' | 'paste-start' | 'paste-end'
  /** Its name, for a key or a report; else empty. */
  readonly text: string
  readonly raw: string
}

// A CSI or SS3 sequence (ECMA-48 §5.4), a string such as an OSC answer, a control, or a run of ordinary characters.
const TOKEN =
  /\x1b\[([\x30-\x3f]*)[\x20-\x2f]*([\x40-\x7e])|\x1bO([\x40-\x7e])|\x1b[\]P_^X][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b([\x20-\x7e])|[\x00-\x1f\x7f]|[^\x00-\x1f\x7f]+/gu

function* tokensOf(text: string): Generator<Token> {
  for (const match of text.matchAll(TOKEN)) {
    const [raw, parameters, final, single, alt] = match
    if (final !== undefined) yield control(raw, parameters ?? '', final)
    else if (single !== undefined) yield { kind: 'key', text: SEQUENCES[single] ?? `Esc O${single}`, raw }
    else if (alt !== undefined) yield { kind: 'key', text: `Alt-${alt}`, raw }
    else if (raw.startsWith('\x1b') && raw.length > 1) yield { kind: 'report', text: 'answer of the terminal', raw }
    else if (raw.length === 1 && (raw < ' ' || raw === '\x7f')) yield { kind: 'key', text: controlName(raw), raw }
    else yield { kind: 'chars', text: '', raw }
  }
}

function control(raw: string, parameters: string, final: string): Token {
  if (raw === '\x1b[200~') return { kind: 'paste-start', text: '', raw }
  if (raw === '\x1b[201~') return { kind: 'paste-end', text: '', raw }
  // Cursor position, device attributes, mouse and focus reports.
  if (/[Rcny]/.test(final) && parameters !== '') return { kind: 'report', text: 'answer of the terminal', raw }
  if (final === 'M' || final === 'm' || final === 'I' || final === 'O')
    return { kind: 'report', text: 'mouse or focus', raw }
  const [number = ''] = parameters.split(';')
  const name = SEQUENCES[final === '~' ? `${number}~` : final]
  const modifier = parameters.includes(';') ? modifierOf(parameters) : ''
  return { kind: 'key', text: name === undefined ? `Esc [${parameters}${final}` : `${modifier}${name}`, raw }
}

// xterm: the second parameter is 1 + the sum of Shift 1, Alt 2, Ctrl 4.
function modifierOf(parameters: string): string {
  const bits = Number(parameters.split(';')[1] ?? 1) - 1
  return `${bits & 4 ? '^' : ''}${bits & 2 ? 'Alt-' : ''}${bits & 1 ? '⇧' : ''}`
}

function controlName(char: string): string {
  return CONTROL_NAMES[char] ?? `^${String.fromCharCode(char.charCodeAt(0) + 64)}`
}

// Output without its control sequences, line feeds kept: what can be the echo of a character.
const SEQUENCE =
  /\x1b\[[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]|\x1b[\]P_^X][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[\x20-\x7e]|[\x00-\x09\x0b-\x1f\x7f]/g

/** Where the search for echoes stands. */
interface Place {
  chunk: number
  within: number
  /** Line ends typed and not seen echoed yet: so many may be passed. */
  lineEnds: number
}

/** What the target wrote, to be searched for echoes. */
class Outputs {
  readonly #chunks: { readonly at: number; readonly text: string }[] = []

  constructor(events: readonly Recorded[]) {
    for (const event of events) {
      const chunk = streamText(event)
      if (chunk?.stream !== 'o') continue
      const text = chunk.text.replaceAll(SEQUENCE, '')
      if (text !== '') this.#chunks.push({ at: event.at, text })
    }
  }

  /**
   * True when every one of these characters came back, in order, soon after it was typed, and on the same line: what is
   * printed after the line's end is an answer and no echo.
   */
  echo(chars: readonly { readonly text: string; readonly at: number }[]): boolean {
    const [first] = chars
    if (first === undefined) return true
    const place: Place = { chunk: this.#firstAt(first.at), within: 0, lineEnds: 0 }
    for (const { text, at } of chars) {
      if (text === '\r' || text === '\n') place.lineEnds++
      // White space is echoed in ways of its own (line ends, tabs) and tells nothing.
      if (text.trim() !== '' && !this.#cameBack(text, at, place)) return false
    }
    return true
  }

  /** Looks for one character from `place` on and moves it behind what was found. */
  #cameBack(text: string, at: number, place: Place): boolean {
    let passed = 0
    for (let output = this.#chunks[place.chunk]; output !== undefined; output = this.#chunks[place.chunk]) {
      if (output.at > at + ECHO_S) return false
      // What was printed before it was typed is not its echo.
      const rest = output.at < at ? '' : output.text.slice(place.within)
      const found = rest.indexOf(text)
      const lineEnd = rest.indexOf('\n')
      if (lineEnd >= 0 && (found < 0 || lineEnd < found)) {
        if (place.lineEnds === 0) return false
        place.lineEnds--
        place.within += lineEnd + 1
        continue
      }
      passed += found < 0 ? rest.length : found
      if (passed > ECHO_CHARS) return false
      if (found >= 0) {
        place.within += found + text.length
        return true
      }
      place.chunk++
      place.within = 0
    }
    return false
  }

  #firstAt(at: number): number {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#chunks[middle]?.at ?? 0) < at) low = middle + 1
      else high = middle
    }
    return low
  }
}
