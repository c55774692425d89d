// A statement's text as words, brackets and semicolons, without what only looks like them: comments, strings, quoted names
// and dollar quotes ("Lexical Structure" in PostgreSQL's documentation). It takes the text in pieces, keeps little of them,
// reads each character a fixed number of times, and has an answer for every text.
//
// Known limit: with standard_conforming_strings off, a backslash in a plain string is read as itself.

/** A word in lower case, `(`, `)`, `;`, `"` for a quoted name, and an empty string for anything else. */
export type SqlToken = string

/** A word or the tag of a dollar quote that a piece of the text cuts in two: longer ones are none. */
const MAX_HELD = 4096

const BLANKS = /[ \t\n\r\f\v]+/y
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y
const DOLLAR_QUOTE = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y
const DOLLAR_BEGUN = /\$[\w\u0080-\uffff]*$/y
const OTHERS = /[^ \t\n\r\f\v"$'()\-/;A-Za-z_\u0080-\uffff]+/y
const LINE_END = /[\n\r]/g
const COMMENT_MARK = /\/\*|\*\//g
const ESCAPED_MARK = /['\\]/g

type Inside = 'code' | 'line-comment' | 'block-comment' | 'string' | 'escape-string' | 'quoted-name' | 'dollar-quote'

export class SqlWords {
  readonly #take: (token: SqlToken) => void
  #inside: Inside = 'code'
  /** Of block comments: they nest. */
  #depth = 0
  /** What ends the dollar quote. */
  #close = ''
  /** The last token was a string with escapes: one that stands right behind it, or on a later line, goes on with it. */
  #isEscaping = false
  /** What stands between the last string's end and here; only a line's end lets another literal go on with it. */
  #gap: 'nothing' | 'blanks' | 'line-end' = 'nothing'
  #held = ''

  /** `take` is called for each token in order, during `push` and `end`. */
  constructor(take: (token: SqlToken) => void) {
    this.#take = take
  }

  /** The next piece of the text; pieces may begin and end anywhere. */
  push(piece: string): void {
    this.#read(this.#held + piece, false)
  }

  /** The text is over. */
  end(): void {
    this.#read(this.#held, true)
  }

  #read(text: string, isLast: boolean): void {
    let at = 0
    while (at < text.length) {
      const next =
        this.#inside === 'code'
          ? this.#code(text, at, isLast || text.length - at > MAX_HELD)
          : this.#skip(text, at, isLast)
      // What it is depends on what comes next.
      if (next === at) break
      at = next
    }
    this.#held = text.slice(at)
  }

  #code(text: string, at: number, isWhole: boolean): number {
    const rest = text.length - at
    switch (text[at]) {
      case "'":
        this.#isEscaping &&= this.#gap !== 'blanks'
        this.#gap = 'nothing'
        this.#inside = this.#isEscaping ? 'escape-string' : 'string'
        if (!this.#isEscaping) this.#tell('')
        return at + 1
      case '"':
        this.#inside = 'quoted-name'
        this.#tell('"')
        return at + 1
      case '(':
      case ')':
      case ';':
        this.#tell(text[at] ?? '')
        return at + 1
      case '-':
      case '/':
        return rest === 1 && !isWhole ? at : this.#comment(text, at)
      case '$':
        return this.#dollar(text, at, isWhole)
      default:
    }
    const blanks = past(BLANKS, text, at)
    if (blanks > at) {
      if (/[\n\r]/.test(text.slice(at, blanks))) this.#gap = 'line-end'
      else if (this.#gap === 'nothing') this.#gap = 'blanks'
      return blanks
    }
    const others = past(OTHERS, text, at)
    if (others === at) return this.#word(text, at, isWhole)
    this.#tell('')
    return others
  }

  #comment(text: string, at: number): number {
    const two = text.slice(at, at + 2)
    if (two === '--') {
      // Its line ends with it.
      this.#gap = 'line-end'
      this.#inside = 'line-comment'
    } else if (two === '/*') {
      this.#isEscaping = false
      this.#inside = 'block-comment'
      this.#depth = 1
    } else {
      this.#tell('')
      return at + 1
    }
    return at + 2
  }

  #dollar(text: string, at: number, isWhole: boolean): number {
    const end = past(DOLLAR_QUOTE, text, at)
    if (end === at && !isWhole && past(DOLLAR_BEGUN, text, at) > at) return at
    this.#tell('')
    if (end === at) return at + 1
    this.#inside = 'dollar-quote'
    this.#close = text.slice(at, end)
    return end
  }

  #word(text: string, at: number, isWhole: boolean): number {
    const end = past(WORD, text, at)
    if (end === text.length && !isWhole) return at
    const word = text.slice(at, end).toLowerCase()
    if (word !== 'e' || text[end] !== "'") {
      this.#tell(word)
      return end
    }
    this.#tell('')
    this.#isEscaping = true
    this.#gap = 'nothing'
    this.#inside = 'escape-string'
    return end + 1
  }

  /** Past what ends where we are; all of the text where nothing does. */
  #skip(text: string, at: number, isLast: boolean): number {
    switch (this.#inside) {
      case 'string':
        return this.#until(text, text.indexOf("'", at), 1)
      case 'quoted-name':
        return this.#until(text, text.indexOf('"', at), 1)
      case 'line-comment':
        return this.#until(text, find(LINE_END, text, at), 1)
      case 'escape-string':
        return this.#escaped(text, at, isLast)
      case 'block-comment':
        return this.#nested(text, at, isLast)
      default: {
        const found = text.indexOf(this.#close, at)
        if (found >= 0 || isLast) return this.#until(text, found, this.#close.length)
        return Math.max(at, text.length - this.#close.length + 1)
      }
    }
  }

  #until(text: string, found: number, length: number): number {
    if (found < 0) return text.length
    this.#inside = 'code'
    return found + length
  }

  #escaped(text: string, at: number, isLast: boolean): number {
    const found = find(ESCAPED_MARK, text, at)
    if (found < 0 || text[found] === "'") return this.#until(text, found, 1)
    if (found + 1 < text.length || isLast) return found + 2
    return found
  }

  #nested(text: string, at: number, isLast: boolean): number {
    const found = find(COMMENT_MARK, text, at)
    if (found < 0) return isLast || !/[*/]/.test(text.at(-1) ?? '') ? text.length : text.length - 1
    this.#depth += text[found] === '/' ? 1 : -1
    if (this.#depth === 0) this.#inside = 'code'
    return found + 2
  }

  #tell(token: SqlToken): void {
    this.#isEscaping = false
    this.#take(token)
  }
}

/** Where a match that begins at `at` ends; `at` itself without one. */
function past(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : at
}

/** Where the next match begins; -1 without one. */
function find(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return pattern.exec(text)?.index ?? -1
}
