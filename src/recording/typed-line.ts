// Lines typed at a terminal as the target took them: edited, completed, recalled. Each is read from the screen, not from
// the keys: what the line gained since its first key, if what was typed stands in it. So it never says anything that the
// target did not show.

/** Keys of one line looked at: no shell's line is longer. */
const mostKeys = 4096
/** Lines typed ahead of their echo. */
const mostAhead = 16

interface Typing {
  /** What stood on the screen's line before the first key. */
  readonly before: string
  readonly characters: string[]
}

interface Entered extends Typing {
  readonly line: number
  readonly ms: number
}

export interface TypedLine {
  readonly line: number
  readonly ms: number
  readonly text: string
}

export class TypedLines {
  #typing: Typing | undefined
  #entered: Entered[] = []
  /** A key's escape sequence: none, after ESC, within CSI or SS3. */
  #sequence: 'none' | 'escape' | 'rest' = 'none'

  /** Keys that arrived at `at`, while `shown` stood on the screen's line. */
  type(keys: string, at: { readonly line: number; readonly ms: number }, shown: string): void {
    for (const key of keys) this.#key(key, at, shown)
  }

  /** A line of the screen ended: gives what had been typed on it, if its end was a typed one. */
  ended(shown: string): TypedLine | undefined {
    const entered = this.#entered.shift()
    if (entered === undefined || !shown.startsWith(entered.before.trimEnd())) return undefined
    const text = shown.slice(entered.before.length).trim()
    return text !== '' && isWithin(entered.characters, text) ? { line: entered.line, ms: entered.ms, text } : undefined
  }

  #key(key: string, at: { readonly line: number; readonly ms: number }, shown: string): void {
    if (this.#isInSequence(key)) {
      // An arrow may bring back a whole line.
      this.#typing ??= { before: shown, characters: [] }
      return
    }
    if (key === '\r' || key === '\n') {
      if (this.#typing !== undefined && this.#entered.length < mostAhead) this.#entered.push({ ...this.#typing, ...at })
      this.#typing = undefined
      return
    }
    // Interrupt, end of file, suspend: nothing was given to the program.
    if (key === '\x03' || key === '\x04' || key === '\x1a') {
      this.#typing = undefined
      return
    }
    // The terminal's answers to questions come before the prompt does: the line begins with its first character.
    if (this.#typing === undefined || this.#typing.characters.length === 0)
      this.#typing = { before: shown, characters: [] }
    this.#edit(this.#typing.characters, key)
  }

  #edit(characters: string[], key: string): void {
    if (key === '\x7f' || key === '\b') characters.pop()
    else if (key === '\x15') characters.length = 0
    else if (key === '\x17')
      for (let word = false; characters.length > 0; characters.pop()) {
        const isSpace = characters.at(-1) === ' '
        if (word && isSpace) break
        word ||= !isSpace
      }
    else if (key > ' ' && characters.length < mostKeys) characters.push(key)
    else if (key === ' ' && characters.length < mostKeys) characters.push(' ')
  }

  #isInSequence(key: string): boolean {
    const before = this.#sequence
    if (before === 'none') this.#sequence = key === '\x1b' ? 'escape' : 'none'
    else if (before === 'escape') this.#sequence = key === '[' || key === 'O' ? 'rest' : 'none'
    else this.#sequence = key >= '@' && key <= '~' ? 'none' : 'rest'
    return before !== 'none' || key === '\x1b'
  }
}

/** True when the characters, white space aside, stand in `text` in this order. */
function isWithin(characters: readonly string[], text: string): boolean {
  let from = 0
  for (const character of characters) {
    if (character === ' ') continue
    const at = text.indexOf(character, from)
    if (at < 0) return false
    from = at + character.length
  }
  return true
}
