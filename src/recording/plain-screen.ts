// Terminal output as lines of plain text: escape sequences (ECMA-48 §5.4, and the string sequences of §5.6) are left out,
// carriage return and backspace do what they do within a line. It is for reading and searching, not a terminal: programs
// that paint the whole screen read as the pieces they painted.

/** A line without an end is given out in pieces of this many characters. */
const longestLine = 4096
/** A string sequence (such as a window title) longer than this is no sequence: what follows is shown. */
const longestSequence = 8192

type Mode = 'text' | 'escape' | 'csi' | 'string' | 'string-escape'

export class PlainScreen {
  #mode: Mode = 'text'
  #sequence = 0
  #line: string[] = []
  #column = 0

  /** Takes output and gives the lines it ended. */
  write(text: string): string[] {
    const lines: string[] = []
    for (const character of text) this.#take(character, lines)
    return lines
  }

  /** What stands on the line that has no end yet. */
  get current(): string {
    return this.#line.join('')
  }

  /** The line that has no end yet, if there is any. */
  flush(): string[] {
    if (this.#line.length === 0) return []
    const line = this.#ended()
    return line === '' ? [] : [line]
  }

  #take(character: string, lines: string[]): void {
    if (this.#mode !== 'text' && ++this.#sequence > longestSequence) this.#mode = 'text'
    const code = character.codePointAt(0) ?? 0
    switch (this.#mode) {
      case 'escape':
        this.#mode =
          '[' === character ? 'csi' : ']P^_X'.includes(character) ? 'string' : isIntermediate(code) ? 'escape' : 'text'
        return
      case 'csi':
        if (code >= 0x40 && code <= 0x7e) {
          this.#mode = 'text'
          // EL without a parameter: how shells take back what was deleted at a line's end.
          if (character === 'K' && this.#sequence === 2) this.#line.length = Math.min(this.#line.length, this.#column)
        }
        return
      case 'string':
        if (code === 0x07 || code === 0x9c) this.#mode = 'text'
        else if (code === 0x1b) this.#mode = 'string-escape'
        return
      case 'string-escape':
        this.#mode = character === '\\' ? 'text' : 'string'
        return
      case 'text':
        return this.#text(character, code, lines)
    }
  }

  #text(character: string, code: number, lines: string[]): void {
    if (character === '\n') lines.push(this.#ended())
    else if (character === '\r') this.#column = 0
    else if (character === '\b') this.#column = Math.max(0, this.#column - 1)
    else if (code === 0x1b || code === 0x9b || code === 0x9d || code === 0x90) {
      this.#sequence = 0
      this.#mode = code === 0x1b ? 'escape' : code === 0x9b ? 'csi' : 'string'
    } else if (code === 0x09 || (code >= 0x20 && code !== 0x7f && !(code >= 0x80 && code < 0xa0))) {
      this.#line[this.#column++] = character
      if (this.#column >= longestLine) lines.push(this.#ended())
    }
  }

  #ended(): string {
    const line = this.#line.join('').trimEnd()
    this.#line = []
    this.#column = 0
    return line
  }
}

/** ECMA-35: an escape sequence may have bytes between ESC and its end. */
function isIntermediate(code: number): boolean {
  return code >= 0x20 && code <= 0x2f
}
