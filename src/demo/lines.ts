// What the demo prints: three lines to paste, and the code that two of them will ask for. Text from facts, nothing else.

/** What the printed lines are made of; paths are absolute. */
export interface DemoFacts {
  readonly configFile: string
  /** One-time link that signs in as the reviewer. */
  readonly webLink: string
  /** Aliases of the ssh_config: the two targets, and the reviewer for a fresh link. */
  readonly aliases: { readonly shell: string; readonly database: string; readonly reviewer: string }
  /** Said below the lines, one each: ports that moved, what the demo cannot promise. */
  readonly notes: readonly string[]
}

/** The terminal they are printed on. */
export interface Look {
  readonly columns: number
  /** Whether it shows box-drawing characters; ASCII otherwise. */
  readonly unicode: boolean
}

/** Rules wider than this read as noise. */
const WIDEST_RULE = 100

/**
 * The block of lines, ended by a line feed. Numbered lines begin at the left edge and end with what is to be pasted: a
 * box with sides would put its edge into the clipboard, so the box has a top and a bottom only.
 */
export function demoLines(facts: DemoFacts, look: Look): string {
  const { configFile, aliases } = facts
  const ssh = `ssh -F ${shellQuoted(configFile)}`
  const title = ' Halligan demo '
  const stroke = look.unicode ? '─' : '-'
  const width = Math.max(title.length + 4, Math.min(look.columns, WIDEST_RULE))
  return [
    '',
    `${stroke.repeat(2)}${title}${stroke.repeat(width - title.length - 2)}`,
    '',
    `   Break the glass on ${aliases.shell} and get a recorded shell:`,
    `1  ${ssh} ${aliases.shell}`,
    '',
    `   Break the glass on ${aliases.database} and run recorded queries:`,
    `2  psql "$(${ssh} ${aliases.database} dsn)"`,
    '',
    `   Watch and replay both as ${aliases.reviewer} (another link: ${ssh} ${aliases.reviewer} web):`,
    `3  ${facts.webLink}`,
    '',
    ...facts.notes.map((note) => `   ${note}`),
    '   Everything listens on 127.0.0.1 only. Ctrl-C stops it and leaves nothing running.',
    '',
    stroke.repeat(width),
    '',
  ].join('\n')
}

export interface CodeFacts {
  readonly user: string
  readonly code: string
  readonly next: string
  /** How long `code` stays the current one, ms. */
  readonly leftMs: number
}

/** The line with the code now and the one after it, without a line end. */
export function codeLine({ user, code, next, leftMs }: CodeFacts): string {
  return `   Code for ${user}: ${code} (${Math.ceil(leftMs / 1000)} s), then ${next}`
}

/** A word for any POSIX shell: as it is where that is safe, in single quotes otherwise. */
export function shellQuoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}
