// search: words in recordings, for whoever may see them. What it shows was recorded, so it needs a second factor.

import type { Command } from 'commander'
import { search, type SearchHit, type SearchPage } from '../procedure/search.ts'
import { printable } from './table.ts'
import { print, requireCode, type RunWith } from './run.ts'

/** How long a ceremony counts for looking. */
const LOOK_MS = 10 * 60_000

export function addSearchCommand(root: Command, run: RunWith<'search' | 'mfa'>): void {
  root
    .command('search')
    .description('what was typed, asked and shown in recordings you may see, newest first')
    .argument('[words...]', 'words, "phrases", user: target: grant: since: until: (a date, a time, or 2h ago)')
    .option('--json', 'as JSON')
    .option('--cursor <cursor>', 'the next page, as the one before names it')
    .allowUnknownOption()
    .addHelpText(
      'after',
      `\n  search drop table target:orders since:7d\n  search '"permission denied"' user:alice until:2026-11-21`,
    )
    .action(async (words: readonly string[], options: { json?: boolean; cursor?: string }) => {
      await requireCode(run, LOOK_MS)
      const page = await search(run.ports.search, run.caller.identity.user, asked(words), options.cursor)
      print(run, options.json, page, textOf(page))
    })
}

/** An argument with a space in it was quoted, and so is meant as it stands. */
function asked(words: readonly string[]): string {
  return words.map((word) => (/^[^\s":]+\s[^":]*$/.test(word) ? `"${word}"` : word)).join(' ')
}

function textOf({ query, hits, count, isMore, cursor, isCaughtUp }: SearchPage): string {
  const late = isCaughtUp ? '' : 'Some recordings are still being indexed: ask again in a moment.\n'
  if (query === null) return `nothing to search for: give a word, or user: target: grant: since: until:\n${late}`
  if (hits.length === 0) return `nothing found in the recordings you may see\n${late}`
  const many = `${count}${isMore ? '+' : ''} ${count === 1 ? 'hit' : 'hits'}\n`
  const next = cursor === null ? '' : `More with --cursor ${cursor}\n`
  return `${hits.map(hitText).join('')}${many}${next}${late}`
}

/** `2026-11-21 03:12:44  s…#41 +00:12  alice app_readonly@orders  statement`, then the excerpt. */
function hitText({ at, session, line, ms, user, account, target, kind, excerpt }: SearchHit): string {
  const time = new Date(at).toISOString().slice(0, 19).replace('T', ' ')
  const text = excerpt.map((part) => (part.isMatch ? `[${part.text}]` : part.text)).join('')
  const who = printable(`${user} ${account}@${target}`)
  return `${time}  ${session}#${line} +${offset(ms)}  ${who}  ${kind}\n    ${printable(text.replaceAll(/\p{Cf}/gu, ''))}\n`
}

/** `1:02:03`, `00:12`. */
function offset(ms: number): string {
  const whole = Math.floor(ms / 1000)
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, '0'))
  return [...(whole >= 3600 ? [String(Math.floor(whole / 3600))] : []), ...parts].join(':')
}
