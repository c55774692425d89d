// The words of a command sent by `ssh alice@bastion …`: the client joins its arguments with spaces, so quotes are read
// as a POSIX shell would, and nothing else is: no variables, no globs, no operators.
import { HalliganError } from '../errors.ts'

/** Halligan's own commands are short; a reason is at most some lines. */
const MAX_COMMAND_BYTES = 16 << 10

/** Splits a command into words. Throws `usage`: not UTF-8, control characters, too long, an open quote. */
export function splitCommand(command: Buffer): string[] {
  if (command.length > MAX_COMMAND_BYTES)
    throw usage(`the command has ${command.length} bytes, at most ${MAX_COMMAND_BYTES} are taken`)
  const text = command.toString('utf8')
  if (!Buffer.from(text).equals(command)) throw usage('the command is not UTF-8')
  if (/[\x00-\x08\x0b-\x1f\x7f]/.test(text)) throw usage('the command holds control characters')
  return words(text)
}

function words(text: string): string[] {
  const found: string[] = []
  let word: string | undefined
  let quote: string | undefined
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at)
    if (quote === undefined && /\s/.test(character)) {
      if (word !== undefined) found.push(word)
      word = undefined
    } else if (character === quote) quote = undefined
    else if (quote === undefined && (character === '"' || (character === "'" && !isApostrophe(text, at)))) {
      quote = character
      word ??= ''
    } else if (character === '\\' && quote !== "'" && at + 1 < text.length)
      word = (word ?? '') + escaped(text.charAt(++at), quote)
    else word = (word ?? '') + character
  }
  if (quote !== undefined) throw usage('a quote is not closed')
  return word === undefined ? found : [...found, word]
}

/** `--reason "we can't wait"` arrives without its quotes: an apostrophe behind a letter is one, in every language. */
function isApostrophe(text: string, at: number): boolean {
  return /[\p{L}\p{N}]$/u.test(text.slice(Math.max(0, at - 2), at))
}

/** Between double quotes a backslash is itself unless it stands before one that means something there. */
function escaped(character: string, quote: string | undefined): string {
  return quote === '"' && !'"\\$`'.includes(character) ? `\\${character}` : character
}

function usage(message: string): HalliganError {
  return new HalliganError('usage', message, { hint: 'the command `help` lists what there is' })
}
