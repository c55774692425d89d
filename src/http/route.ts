// What a route is: its method, its path, who may call it, and what it does. The table of all routes is in `routes.ts`.

import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import { HalliganError } from '../errors.ts'
import type { Identity, Role, User } from '../identity/user.ts'
import type { SessionRecord } from '../session/session.ts'
import { isReviewer } from '../access/review.ts'
import type { Broadcasts } from './broadcast.ts'
import type { Links } from './links.ts'
import type { Outbound } from './outbound.ts'
import type { HttpPorts } from './ports.ts'
import type { Views } from './views.ts'
import { maySee } from './visibility.ts'
import type { WebSession, WebSessions } from './web-session.ts'

/** `anyone`: without a session; `signed-in`: any role; else one of these roles. */
export type Access = 'anyone' | 'signed-in' | readonly Role[]

/** What every handler works with. */
export interface House {
  readonly ports: HttpPorts
  readonly links: Links
  readonly sessions: WebSessions
  readonly views: Views
  readonly broadcasts: Broadcasts
  readonly installation: string
}

/** Somebody signed in. */
export interface Caller {
  readonly session: WebSession
  readonly identity: Identity
  readonly token: string
}

export interface Call {
  /** The peer's address, normalized. */
  readonly address: string
  readonly params: Readonly<Record<string, string>>
  readonly query: unknown
  readonly body: unknown
  readonly reply: FastifyReply
  readonly cookie: string | undefined
}

/** Serves one accepted websocket; resolves when it is done with it. */
export type Serve = (out: Outbound) => Promise<void>

export type Route =
  | {
      readonly kind: 'read' | 'act'
      readonly path: string
      readonly access: 'anyone'
      readonly handle: (house: House, call: Call) => Promise<unknown>
    }
  | {
      readonly kind: 'read' | 'act'
      readonly path: string
      readonly access: Exclude<Access, 'anyone'>
      readonly handle: (house: House, call: Call, caller: Caller) => Promise<unknown>
    }
  | {
      readonly kind: 'socket'
      readonly path: string
      readonly access: Exclude<Access, 'anyone'>
      /** Checks and writes the view's leaf before the upgrade; what it gives serves the socket. */
      readonly open: (house: House, call: Call, caller: Caller) => Promise<Serve>
      /** Throws when the caller may look no longer; asked after each change of the people. Absent: each message is judged. */
      readonly still?: (house: House, call: Call, caller: Caller) => Promise<unknown>
    }

/** Reads untrusted input by its schema. Throws `usage` naming the first field that is wrong. */
export function parse<T>(schema: z.ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const field = issue?.path.map(String).join('.') ?? ''
  throw new HalliganError('usage', `${field === '' ? 'request' : field}: ${issue?.message.toLowerCase() ?? 'is wrong'}`)
}

/** Why access is taken away: goes to the user's terminal, the record and the ledger, so one line of plain text. */
export const reasonSchema = z
  .string()
  .trim()
  .min(3, 'say why, in at least 3 characters')
  .max(500, 'at most 500 characters')
  .regex(/^\P{C}*$/u, 'one line without control characters')

/** The session of a path, if `caller` may see it. What may not be seen reads like what does not exist. */
export async function visibleSession(house: House, call: Call, caller: Caller): Promise<SessionRecord> {
  const id = call.params['id'] ?? ''
  const session = /^s[a-z2-7]{12}$/.test(id) ? await house.ports.state.session(id) : undefined
  const isVisible =
    session !== undefined &&
    (maySee(caller.identity.user, session.user) || (await mayJudge(house, caller.identity.user, session.grant)))
  if (session === undefined || !isVisible) throw new HalliganError('not_found', 'no such session')
  return session
}

/** A policy may name reviewers by group: they see the recordings of what they are to judge, once it has ended. */
async function mayJudge({ ports }: House, user: User, id: string): Promise<boolean> {
  const grant = await ports.state.grant(id)
  return grant !== undefined && grant.state !== 'active' && isReviewer(ports.reviews.policy(grant.policy), user)
}

/** Refuses what takes access away without a code given in this session lately. Throws `mfa_required`. */
export function requireStepUp(house: House, caller: Caller): void {
  if (house.sessions.steppedUp(caller.session).rememberedForMs > 0) return
  throw new HalliganError('mfa_required', 'this needs a code from your authenticator', {
    hint: 'type the six digits it shows now',
  })
}

/** Refuses what gives something, or judges somebody, without a code of the last minutes. Throws `mfa_required`. */
export function requireFreshCode(house: House, caller: Caller): void {
  if (house.sessions.steppedUp(caller.session).freshForMs > 0) return
  throw new HalliganError('mfa_required', 'this needs a fresh code from your authenticator', {
    hint: 'type the six digits it shows now',
  })
}
