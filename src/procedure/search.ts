// Searching what was recorded: who asks is part of the question, and each search is a leaf before its answer is given.

import { isReviewer } from '../access/review.ts'
import type { Policy } from '../access/policy.ts'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { overseers } from '../identity/overseer.ts'
import type { User } from '../identity/user.ts'
import type { SearchKind } from '../recording/search-entry.ts'
import type { SessionRecord } from '../session/session.ts'
import type { State } from '../session/state.ts'
import { parseSearch, type SearchQuery } from './search-query.ts'

/** Whose recordings are searched: everybody's, or those of one person and those made under some grants. */
export type SearchSight =
  | { readonly kind: 'all' }
  | { readonly kind: 'some'; readonly user: string; readonly grants: readonly string[] }

export interface SearchAsk {
  readonly query: SearchQuery
  readonly sees: SearchSight
  /** Place of the last match seen: what is older follows. Null: from the newest. */
  readonly before: number | null
  readonly limit: number
}

/** A piece of an excerpt; `isMatch`: it is what was looked for. */
export interface ExcerptPart {
  readonly text: string
  readonly isMatch: boolean
}

export interface SearchMatch {
  readonly place: number
  readonly session: string
  /** Number of the line in the recording. */
  readonly line: number
  /** Ms since the header line. */
  readonly ms: number
  /** Ms since the epoch. */
  readonly at: number
  readonly kind: SearchKind
  readonly excerpt: readonly ExcerptPart[]
}

/** Newest first. `isMore`: there are more than `count`. */
export interface SearchFound {
  readonly matches: readonly SearchMatch[]
  readonly count: number
  readonly isMore: boolean
}

/** The index that is searched. Throws `unavailable` while there is none. */
export interface SearchPort {
  find(ask: SearchAsk): Promise<SearchFound>
  /** False while recordings wait to be indexed. */
  readonly isCaughtUp: boolean
}

export interface SearchPorts {
  readonly clock: Clock
  readonly state: Pick<State, 'commit' | 'session' | 'grants'>
  readonly index: SearchPort
  readonly policy: (name: string) => Policy | undefined
}

/** One hit as it is shown. */
export interface SearchHit extends Omit<SearchMatch, 'place'> {
  readonly user: string
  readonly target: string
  readonly account: string
  readonly grant: string
  readonly protocol: SessionRecord['protocol']
}

export interface SearchPage {
  readonly now: number
  /** What was understood; null: nothing was asked for. */
  readonly query: SearchQuery | null
  readonly hits: readonly SearchHit[]
  /** Of all pages together, and whether there are more than that. */
  readonly count: number
  readonly isMore: boolean
  /** For the next page; null: this is the last. */
  readonly cursor: string | null
  /** False while recordings wait to be indexed: something may be missing. */
  readonly isCaughtUp: boolean
}

/** Hits of one page. */
export const hitsPerPage: number = 50
/** Characters of what was typed that the leaf keeps. */
const keptCharacters = 200
/** Grants whose recordings a reviewer by group may search, newest first: each is a word of the match. */
const mostGrants = 200

/**
 * Searches for `user`. Anything may be typed: what asks for nothing finds nothing. `cursor`: that of the page before.
 * Throws `usage` for another cursor, `unavailable` while there is no index, `store_failed` when the leaf was not written.
 */
export async function search(ports: SearchPorts, user: User, text: string, cursor?: string): Promise<SearchPage> {
  const before = cursor === undefined ? null : placeOf(cursor)
  const now = ports.clock.now()
  const query = parseSearch(text, now) ?? null
  const sees = await sightOf(ports, user)
  const found =
    query === null
      ? { matches: [], count: 0, isMore: false }
      : await ports.index.find({ query, sees, before, limit: hitsPerPage + 1 })
  const page = found.matches.slice(0, hitsPerPage)
  const hits = await shown(ports, sees, page)
  const kept = text
    .toWellFormed()
    .replaceAll(/\p{Cc}/gu, ' ')
    .slice(0, keptCharacters)
    .toWellFormed()
  const leaf = { type: 'searched', by: user.name, query: kept, hits: found.count } as const
  await ports.state.commit({ at: now, writes: [], leaves: [leaf] })
  const last = page.at(-1)
  return {
    now,
    query,
    hits,
    count: found.count,
    isMore: found.isMore,
    cursor: found.matches.length > hitsPerPage && last !== undefined ? String(last.place) : null,
    isCaughtUp: ports.index.isCaughtUp,
  }
}

function placeOf(cursor: string): number {
  if (!/^\d{1,16}$/.test(cursor) || !Number.isSafeInteger(Number(cursor)))
    throw new HalliganError('usage', 'cursor: is not a cursor')
  return Number(cursor)
}

/** The same rule by which a session is shown: one's own, all to those who oversee, and what one is to judge. */
async function sightOf({ state, policy }: SearchPorts, user: User): Promise<SearchSight> {
  if (overseers.some((role) => user.roles.includes(role))) return { kind: 'all' }
  const ended = await state.grants({ states: ['awaiting-review', 'reviewed'], limit: 1000 })
  const judged = ended.filter((grant) => isReviewer(policy(grant.policy), user))
  return { kind: 'some', user: user.name, grants: judged.slice(0, mostGrants).map((grant) => grant.id) }
}

/** The facts of each hit's session as the state has them: the index is only a copy. */
async function shown(ports: SearchPorts, sees: SearchSight, matches: readonly SearchMatch[]): Promise<SearchHit[]> {
  const sessions = new Map<string, SessionRecord | undefined>()
  const hits: SearchHit[] = []
  for (const { place: _, ...match } of matches) {
    if (!sessions.has(match.session)) sessions.set(match.session, await ports.state.session(match.session))
    const session = sessions.get(match.session)
    if (session === undefined) continue
    const { target, account, grant, protocol } = session
    if (sees.kind === 'some' && session.user !== sees.user && !sees.grants.includes(grant)) continue
    hits.push({ ...match, user: session.user, target, account, grant, protocol })
  }
  return hits
}
