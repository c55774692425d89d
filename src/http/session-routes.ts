// Sessions and their recordings: listing, replaying, downloading, killing.

import { Readable } from 'node:stream'
import { z } from 'zod'
import type { Grant } from '../access/grant.ts'
import { HalliganError } from '../errors.ts'
import type { SessionRecord } from '../session/session.ts'
import type { GrantFacts, SessionDetail, SessionPage, SessionView } from './api.ts'
import { PAGE_ROWS, PAGE_ROWS_MAX } from './limits.ts'
import { UnprovenRecording } from './problem.ts'
import { ndjson, openFile, openRecording } from './recording-lines.ts'
import {
  parse,
  reasonSchema,
  requireStepUp,
  visibleSession,
  type Call,
  type Caller,
  type House,
  type Route,
} from './route.ts'
import { served } from './served.ts'
import { seesAll } from './visibility.ts'

const listSchema = z.object({
  cursor: z
    .string()
    .regex(/^s[a-z2-7]{12}$/, 'is not a cursor')
    .optional(),
  limit: z.coerce.number().int().min(1).max(PAGE_ROWS_MAX).default(PAGE_ROWS),
  grant: z.string().max(16).optional(),
  state: z.enum(['open', 'ended', 'sealed']).optional(),
})

const seqSchema = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const rangeSchema = z.object({ from: seqSchema.default(0), to: seqSchema.optional() })
const killSchema = z.object({ reason: reasonSchema })

async function list(house: House, call: Call, { identity }: Caller): Promise<SessionPage> {
  const { cursor, limit, grant, state } = parse(listSchema, call.query)
  const page = await house.ports.state.sessions({
    ...(seesAll(identity.user) ? {} : { user: identity.user.name }),
    ...(grant === undefined ? {} : { grant }),
    ...(state === undefined ? {} : { states: [state] }),
    ...(cursor === undefined ? {} : { after: cursor }),
    limit: limit + 1,
  })
  const sessions = await withGrants(house, page.slice(0, limit))
  const end = sessions.at(-1)
  return {
    now: house.ports.clock.now(),
    sessions,
    cursor: page.length > limit && end !== undefined ? end.id : null,
  }
}

async function withGrants(house: House, sessions: readonly SessionRecord[]): Promise<SessionView[]> {
  const grants = new Map<string, GrantFacts | null>()
  // One after the other: a page of hundreds must not fill the queue that everyone's commits go through.
  for (const { grant } of sessions)
    if (!grants.has(grant)) grants.set(grant, factsOf(await house.ports.state.grant(grant)))
  return sessions.map((session) => ({ ...session, granted: grants.get(session.grant) ?? null }))
}

function factsOf(grant: Grant | undefined): GrantFacts | null {
  if (grant === undefined) return null
  const { id, state, policy, policyHash, trigger, reason, incident, rule, expiresAt, approvals, override, vouchedBy } =
    grant
  return { id, state, policy, policyHash, trigger, reason, incident, rule, expiresAt, approvals, override, vouchedBy }
}

async function detail(house: House, call: Call, caller: Caller): Promise<SessionDetail> {
  const session = await visibleSession(house, call, caller)
  return {
    now: house.ports.clock.now(),
    session: { ...session, granted: factsOf(await house.ports.state.grant(session.grant)) },
    may: { kill: session.state === 'open' && caller.identity.user.roles.includes('admin') },
  }
}

/** The recorded lines as NDJSON, `from` (inclusive) to `to` (exclusive) by seq. The view is a leaf first. */
async function lines(house: House, call: Call, caller: Caller): Promise<Readable> {
  const { from, to } = parse(rangeSchema, call.query)
  const session = await visibleSession(house, call, caller)
  const opened = await trying(house, caller, session, () => openRecording(house.ports, session))
  await house.views.record(caller, session.id, 'replay')
  void call.reply.type('application/x-ndjson; charset=utf-8').header('x-halligan-recording', opened.kind)
  const body = ndjson(opened, from, to ?? Number.MAX_SAFE_INTEGER)
  if (opened.kind === 'journal') return Readable.from(body)
  return served(call.reply.raw, body, (bytes) => note(house, caller, session, bytes / opened.contentBytes))
}

function note(house: House, { identity }: Caller, session: SessionRecord, share: number): void {
  // Nothing that left is nothing seen; a share of 0 says that it could not be shown.
  if (share > 0) house.views.served(identity.user.name, session.id, Math.min(1, share))
}

/** That a recording was to be seen and did not verify is noted: its reviewer cannot open it, and is told so. */
async function trying<Opened>(
  house: House,
  { identity }: Caller,
  session: SessionRecord,
  open: () => Promise<Opened>,
): Promise<Opened> {
  try {
    return await open()
  } catch (error) {
    if (error instanceof UnprovenRecording) house.views.served(identity.user.name, session.id, 0)
    throw error
  }
}

/** The sealed file. The download is a leaf first. */
async function recording(house: House, call: Call, caller: Caller): Promise<Readable> {
  const session = await visibleSession(house, call, caller)
  const { stream, sizeBytes } = await trying(house, caller, session, () => openFile(house.ports, session))
  await house.views.record(caller, session.id, 'download')
  void call.reply
    .type('application/zstd')
    .header('content-length', sizeBytes)
    .header('content-disposition', `attachment; filename="${session.id}.cast.zst"`)
  return served(call.reply.raw, whole(stream), (bytes) => note(house, caller, session, bytes / sizeBytes))
}

/** Opened when it is sent, and not before: nobody would hear that it cannot be. */
async function* whole(stream: () => Readable): AsyncGenerator<Buffer> {
  for await (const chunk of stream()) yield chunk as Buffer
}

/** Says in the ledger that what the target did not echo is about to be shown. */
async function reveal(house: House, call: Call, caller: Caller): Promise<{ revealed: true }> {
  const session = await visibleSession(house, call, caller)
  await house.views.record(caller, session.id, 'reveal')
  return { revealed: true }
}

async function kill(house: House, call: Call, caller: Caller): Promise<{ killed: true }> {
  const session = await visibleSession(house, call, caller)
  if (!caller.identity.user.roles.includes('admin'))
    throw new HalliganError('denied', 'only an admin may kill a session', {
      hint: 'call one; the owner of the grant can give it back',
    })
  requireStepUp(house, caller)
  const { reason } = parse(killSchema, call.body)
  if (session.state !== 'open') throw new HalliganError('conflict', `session ${session.id} has ended already`)
  await house.ports.sessions.kill(session.id, caller.identity.user.name, reason)
  return { killed: true }
}

export const sessionRoutes: readonly Route[] = [
  { kind: 'read', path: '/api/sessions', access: 'signed-in', handle: list },
  { kind: 'read', path: '/api/sessions/:id', access: 'signed-in', handle: detail },
  { kind: 'read', path: '/api/sessions/:id/lines', access: 'signed-in', handle: lines },
  { kind: 'read', path: '/api/sessions/:id/recording', access: 'signed-in', handle: recording },
  { kind: 'act', path: '/api/sessions/:id/reveal', access: 'signed-in', handle: reveal },
  { kind: 'act', path: '/api/sessions/:id/kill', access: 'signed-in', handle: kill },
]
