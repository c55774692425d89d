// Lines typed into a channel for one of Halligan's own commands. Without a terminal the client's side edits; with one it
// is in raw mode and this does: echo, erase, Ctrl-U, Ctrl-C, Ctrl-D. Bytes in, lines and echo out.

/** A line longer than this is nobody's answer. */
export const MAX_LINE_BYTES: number = 4096

const BACKSPACE = 0x08
const DELETE = 0x7f
const INTERRUPT = 0x03
const END_OF_FILE = 0x04
const KILL_LINE = 0x15

type Waiting = { readonly echo: boolean; readonly resolve: (line: string | undefined) => void }

export class LineInput {
  readonly #hasTerminal: boolean
  readonly #echo: (text: string) => void
  readonly #interrupted: () => void
  #bytes: number[] = []
  #lines: string[] = []
  #waiting: Waiting | undefined
  #isEnded = false
  #wasReturn = false

  /** `echo` shows text on the terminal; `interrupted` is Ctrl-C. */
  constructor(hasTerminal: boolean, echo: (text: string) => void, interrupted: () => void) {
    this.#hasTerminal = hasTerminal
    this.#echo = echo
    this.#interrupted = interrupted
  }

  /** The next line without its end; undefined at end of file. One caller at a time. */
  next(echo: boolean): Promise<string | undefined> {
    const line = this.#lines.shift()
    if (line !== undefined) return Promise.resolve(line)
    if (this.#isEnded) return Promise.resolve(undefined)
    return new Promise((resolve) => {
      this.#waiting = { echo, resolve }
    })
  }

  push(chunk: Buffer): void {
    for (const byte of chunk) this.#take(byte)
  }

  end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    if (this.#bytes.length > 0) this.#line()
    this.#give(undefined)
  }

  #take(byte: number): void {
    const wasReturn = this.#wasReturn
    this.#wasReturn = byte === 0x0d
    if (byte === 0x0a && wasReturn) return
    if (byte === 0x0a || byte === 0x0d) return this.#line()
    if (this.#hasTerminal && this.#edit(byte)) return
    if (this.#bytes.length >= MAX_LINE_BYTES) return
    this.#bytes.push(byte)
    if (this.#hasTerminal && this.#waiting?.echo !== false && byte >= 0x20)
      this.#echo(Buffer.of(byte).toString('latin1'))
  }

  #edit(byte: number): boolean {
    switch (byte) {
      case BACKSPACE:
      case DELETE:
        if (this.#bytes.pop() !== undefined && this.#waiting?.echo !== false) this.#echo('\b \b')
        return true
      case KILL_LINE:
        if (this.#waiting?.echo !== false) this.#echo('\b \b'.repeat(this.#bytes.length))
        this.#bytes = []
        return true
      case INTERRUPT:
        this.#echo('^C\r\n')
        this.#interrupted()
        this.end()
        return true
      case END_OF_FILE:
        if (this.#bytes.length === 0) this.end()
        return true
      default:
        return byte < 0x20
    }
  }

  #line(): void {
    const line = Buffer.from(this.#bytes).toString('utf8')
    this.#bytes = []
    if (this.#hasTerminal) this.#echo('\r\n')
    if (this.#waiting === undefined) {
      // Typed ahead; nobody types more than a screen before being asked.
      if (this.#lines.length < 64) this.#lines.push(line)
    } else this.#give(line)
  }

  #give(line: string | undefined): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.resolve(line)
  }
}
