// What Halligan itself says on a channel: ASCII, one line each, on stderr. Pure text.
import type { Grant } from '../access/grant.ts'
import type { HalliganError } from '../errors.ts'

/** `recorded, grant g7f3 (INC-42), ends 14:32 UTC (29 min)`; and who vouched, where somebody had to. */
export function recordedLine(grant: Grant, now: number): string {
  const incident = grant.incident === null ? '' : ` (${ascii(grant.incident)})`
  const vouched = grant.vouchedBy === null ? '' : `, vouched for by ${ascii(grant.vouchedBy)}`
  if (grant.expiresAt === null) return `recorded, grant ${grant.id}${incident}${vouched}`
  const minutes = Math.max(0, Math.floor((grant.expiresAt - now) / 60_000))
  return `recorded, grant ${grant.id}${incident}, ends ${clockTime(grant.expiresAt)} UTC (${minutes} min)${vouched}`
}

/** `14:32` of an instant, UTC. */
export function clockTime(at: number): string {
  return new Date(at).toISOString().slice(11, 16)
}

/** An error as people see it: message, and hint on a line of its own. */
export function errorLines(error: HalliganError): string[] {
  return [`halligan: ${ascii(error.message)}`, ...(error.hint === undefined ? [] : [`hint: ${ascii(error.hint)}`])]
}

/** Anything but printable ASCII becomes `?`: a terminal must not obey what somebody typed elsewhere. */
export function ascii(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?')
}

/** Lines as they go to stderr: a terminal in raw mode needs the carriage return. */
export function terminalText(lines: readonly string[], hasTerminal: boolean): Buffer {
  return Buffer.from(lines.map((line) => line + (hasTerminal ? '\r\n' : '\n')).join(''))
}

/** A warning on the alternate screen: title and bell, since a line would tear the program's picture. */
export function titleText(line: string): Buffer {
  return Buffer.from(`\x1b]2;${line}\x07\x07`)
}

const ALTERNATE_MODES: ReadonlySet<string> = new Set(['47', '1047', '1049'])

/** Watches a terminal's output for the alternate screen (DEC private modes 47, 1047, 1049). */
export class ScreenWatch {
  #tail = ''
  #isAlternate = false

  get isAlternate(): boolean {
    return this.#isAlternate
  }

  output(bytes: Buffer): void {
    // A switch may be cut in two; nothing longer than itself needs keeping.
    if (!bytes.includes(0x1b) && this.#tail === '') return
    const text = this.#tail + bytes.toString('latin1')
    // Bounded in every part, so that no text makes the search go back and forth: it is the target that writes it.
    for (const [, modes, onOff] of text.matchAll(/\x1b\[\?((?:\d{1,5};){0,15}\d{1,5})([hl])/g))
      if (modes?.split(';').some((mode) => ALTERNATE_MODES.has(mode))) this.#isAlternate = onOff === 'h'
    const last = text.lastIndexOf('\x1b')
    this.#tail = last >= 0 && text.length - last < 16 ? text.slice(last) : ''
  }
}
