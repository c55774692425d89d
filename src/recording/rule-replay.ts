// The rules, replayed over the ledger: whoever writes leaves can write what never was, but then the story must still add
// up. Every activation has its request, every session a grant that was live when it opened, every seal its session.
// It takes leaves as they are found, so it believes no member to be there.
import type { AuditEvent } from '../audit.ts'
import type { Finding } from './finding.ts'
import { parseObject } from './proof.ts'

interface GrantStory {
  readonly user: unknown
  readonly target: unknown
  readonly account: unknown
  readonly durationMs: number
  /** Who vouched for the user: they neither approve nor review. */
  readonly vouchedBy: unknown
  readonly approvers: Set<unknown>
  /** Whoever extended it took part as well. */
  readonly extenders: Set<unknown>
  expiresAt: number | undefined
  end: string | undefined
  isReviewed: boolean
}

interface SessionStory {
  readonly position: number
  isSealed: boolean
}

/** A leaf with every member still in doubt. */
type Doubtful<E> = E extends AuditEvent ? { readonly [K in keyof E]: K extends 'type' ? E[K] : unknown } : never

type DoubtfulEvent = Doubtful<AuditEvent> & { readonly at: unknown }

/** Activation and its leaf carry the same instant; a policy's second is not what this is about. */
const expiryToleranceMs = 1000

/** Follows the ledger row by row. */
export class RuleReplay {
  readonly #grants = new Map<unknown, GrantStory>()
  readonly #sessions = new Map<unknown, SessionStory>()
  /** Scopes that are locked at this row. */
  readonly #locked = new Set<unknown>()

  /** Sessions that were opened and not sealed, with the row that opened them. */
  get openSessions(): readonly { readonly session: string; readonly position: number }[] {
    return [...this.#sessions]
      .filter(([, story]) => !story.isSealed)
      .map(([session, { position }]) => ({ session: String(session), position }))
  }

  hasOpened(session: string): boolean {
    return this.#sessions.has(session)
  }

  /** Takes the next row and gives what the rules say against it. */
  take(position: number, leaf: Uint8Array): Finding[] {
    const event = flatEvent(leaf)
    const faults = event === undefined ? ['it is no event'] : this.#faults(event, position)
    return faults.map((detail) => ({ code: 'rule_broken', subject: `ledger row ${position}`, detail }))
  }

  #faults(event: DoubtfulEvent, position: number): string[] {
    switch (event.type) {
      case 'grant-requested':
        return this.#requested(event)
      case 'grant-approved':
        return this.#approved(event)
      case 'grant-overridden':
        return this.#overridden(event)
      case 'grant-denied':
        return this.#denied(event)
      case 'grant-activated':
        return this.#activated(event)
      case 'grant-extended':
        return this.#extended(event)
      case 'locked':
        this.#locked.add(event.scope)
        return []
      case 'unlocked':
        this.#locked.delete(event.scope)
        return []
      case 'grant-ended':
        return this.#ended(event)
      case 'grant-reviewed':
        return this.#reviewed(event)
      case 'review-reopened':
        return this.#reopened(event)
      case 'session-opened':
        return this.#opened(event, position)
      case 'session-sealed':
        return this.#sealed(event)
      default:
        return []
    }
  }

  #requested({ grant, user, target, account, durationMs, vouchedBy }: DoubtfulOf<'grant-requested'>): string[] {
    if (this.#grants.has(grant)) return [`grant ${grant} is requested twice`]
    const asked = { user, target, account, durationMs: Number(durationMs), vouchedBy }
    const open = { approvers: new Set(), extenders: new Set(), expiresAt: undefined, end: undefined, isReviewed: false }
    this.#grants.set(grant, { ...asked, ...open })
    return vouchedBy === user ? [`grant ${grant} is vouched for by ${user}, who asked for it`] : []
  }

  #approved({ grant, by }: DoubtfulOf<'grant-approved'>): string[] {
    const story = this.#grants.get(grant)
    if (story === undefined) return [unrequested(grant)]
    const faults = decidedAlready(grant, story)
    if (story.approvers.has(by)) faults.push(`grant ${grant} is approved twice by ${by}`)
    story.approvers.add(by)
    if (by === story.user) faults.push(`grant ${grant} is approved by ${by}, who asked for it`)
    if (by === story.vouchedBy) faults.push(`grant ${grant} is approved by ${by}, who vouched for ${story.user}`)
    return faults
  }

  #overridden({ grant, by }: DoubtfulOf<'grant-overridden'>): string[] {
    const story = this.#grants.get(grant)
    if (story === undefined) return [unrequested(grant)]
    const faults = decidedAlready(grant, story)
    return by === story.user ? faults : [...faults, `grant ${grant} is overridden by ${by}, who did not ask for it`]
  }

  #denied({ grant, by }: DoubtfulOf<'grant-denied'>): string[] {
    const story = this.#grants.get(grant)
    if (story === undefined) return [unrequested(grant)]
    const faults = decidedAlready(grant, story)
    if (by === story.user) faults.push(`grant ${grant} is denied by ${by}, who asked for it`)
    story.end ??= 'denied'
    return faults
  }

  #activated(event: DoubtfulOf<'grant-activated'>): string[] {
    const { grant, user, target, account, expiresAt, at } = event
    const story = this.#grants.get(grant)
    if (story === undefined) return [unrequested(grant)]
    const faults: string[] = []
    if (user !== story.user || target !== story.target || account !== story.account)
      faults.push(`grant ${grant} is activated for ${user} on ${target} as ${account}, which nobody requested`)
    if (story.expiresAt !== undefined) faults.push(`grant ${grant} is activated twice`)
    if (story.end !== undefined) faults.push(`grant ${grant} is activated after it was ${story.end}`)
    if (!(Number(expiresAt) - Number(at) <= story.durationMs + expiryToleranceMs))
      faults.push(`grant ${grant} is activated for longer than was requested`)
    story.expiresAt = Number(expiresAt)
    return faults
  }

  #extended({ grant, by, expiresAt }: DoubtfulOf<'grant-extended'>): string[] {
    const story = this.#grants.get(grant)
    if (story === undefined) return [unrequested(grant)]
    story.extenders.add(by)
    if (story.end !== undefined) return [`grant ${grant} is extended after it was ${story.end}`]
    if (story.expiresAt === undefined) return [`grant ${grant} is extended before it is active`]
    if (!(Number(expiresAt) > story.expiresAt)) return [`grant ${grant} is extended to an earlier end`]
    story.expiresAt = Number(expiresAt)
    return []
  }

  #ended({ grant, how }: DoubtfulOf<'grant-ended'>): string[] {
    const story = this.#grants.get(grant)
    if (story === undefined) return [unrequested(grant)]
    if (story.end !== undefined) return [`grant ${grant} ends, but was ${story.end} already`]
    const wasActive = story.expiresAt !== undefined
    story.end = String(how)
    if (how === 'lapsed') return wasActive ? [`grant ${grant} lapses, but was active`] : []
    return wasActive ? [] : [`grant ${grant} is ${how}, but was never active`]
  }

  #reviewed({ grant, by }: DoubtfulOf<'grant-reviewed'>): string[] {
    const story = this.#grants.get(grant)
    if (story === undefined) return [unrequested(grant)]
    if (story.end === undefined) return [`grant ${grant} is reviewed before it ended`]
    const faults = story.isReviewed ? [`grant ${grant} is reviewed twice`] : []
    story.isReviewed = true
    if (isParty(story, by)) faults.push(`grant ${grant} is reviewed by ${by}, who took part in it`)
    return faults
  }

  #reopened({ grant, by }: DoubtfulOf<'review-reopened'>): string[] {
    const story = this.#grants.get(grant)
    if (story === undefined) return [unrequested(grant)]
    const faults = story.isReviewed ? [] : [`the review of grant ${grant} is re-opened, but there was none`]
    story.isReviewed = false
    if (isParty(story, by)) faults.push(`the review of grant ${grant} is re-opened by ${by}, who took part in it`)
    return faults
  }

  #opened(event: DoubtfulOf<'session-opened'>, position: number): string[] {
    const { session, grant, user, target, account, at } = event
    if (this.#sessions.has(session)) return [`session ${session} opens twice`]
    this.#sessions.set(session, { position, isSealed: false })
    const story = this.#grants.get(grant)
    if (story === undefined) return [`session ${session} opens without a grant: ${unrequested(grant)}`]
    const faults: string[] = []
    if (user !== story.user || target !== story.target || account !== story.account)
      faults.push(`session ${session} of ${user} on ${target} as ${account} is not what grant ${grant} allows`)
    if (story.expiresAt === undefined) faults.push(`session ${session} opens before grant ${grant} is active`)
    else if (story.end !== undefined) faults.push(`session ${session} opens after grant ${grant} was ${story.end}`)
    else if (!(Number(at) < story.expiresAt)) faults.push(`session ${session} opens after grant ${grant} expired`)
    const lock = ['all', `user:${user}`, `target:${target}`].find((scope) => this.#locked.has(scope))
    if (lock !== undefined) faults.push(`session ${session} opens while ${lock} is locked`)
    return faults
  }

  #sealed({ session }: DoubtfulOf<'session-sealed'>): string[] {
    const story = this.#sessions.get(session)
    if (story === undefined) return [`session ${session} is sealed but never opened`]
    const fault = story.isSealed ? [`session ${session} is sealed twice`] : []
    story.isSealed = true
    return fault
  }
}

type DoubtfulOf<T extends AuditEvent['type']> = Extract<DoubtfulEvent, { type: T }>

function isParty({ user, vouchedBy, approvers, extenders }: GrantStory, by: unknown): boolean {
  return by === user || by === vouchedBy || approvers.has(by) || extenders.has(by)
}

/** Nobody decides on what is decided. */
function decidedAlready(grant: unknown, { end, expiresAt }: GrantStory): string[] {
  if (end !== undefined) return [`grant ${grant} was ${end} already`]
  return expiresAt === undefined ? [] : [`grant ${grant} is decided on after it was active`]
}

function unrequested(grant: unknown): string {
  return `grant ${grant} was never requested`
}

/** A member that is itself an object is nothing but its text here: no rule asks for one, and messages name them all. */
function flatEvent(leaf: Uint8Array): DoubtfulEvent | undefined {
  const event = parseObject(Buffer.from(leaf).toString('utf8'))
  if (event === undefined) return undefined
  const members = Object.entries(event).map(([name, value]) => [
    name,
    typeof value === 'object' ? JSON.stringify(value) : value,
  ])
  return Object.fromEntries(members) as DoubtfulEvent
}
