// Websockets: a live terminal, a session's events, and what changes in the lists.

import { z } from 'zod'
import { HalliganError } from '../errors.ts'
import { httpLog } from '../log.ts'
import { isPartyTo } from '../procedure/request-view.ts'
import type { SessionRecord } from '../session/session.ts'
import type { FeedMessage } from './api.ts'
import type { FeedEvent } from './feed.ts'
import { closeCodes, type Outbound } from './outbound.ts'
import { problemOf } from './problem.ts'
import { parse, visibleSession, type Call, type Caller, type House, type Route, type Serve } from './route.ts'
import { tail } from './tail.ts'
import { seesAll } from './visibility.ts'

const fromSchema = z.object({ from: z.coerce.number().int().min(0).default(0) })

/** The terminal of a session as ALiS v1. */
async function live(house: House, call: Call, caller: Caller): Promise<Serve> {
  const session = await visibleSession(house, call, caller)
  if (!hasTerminal(session))
    throw new HalliganError('conflict', `session ${session.id} has no terminal`, { hint: 'watch its events instead' })
  await house.views.record(caller, session.id, 'live')
  return async (out) => {
    house.broadcasts.watch(session, out)
    await closed(out)
  }
}

function hasTerminal(session: SessionRecord): boolean {
  return session.what.kind === 'shell' || session.what.kind === 'exec'
}

/** A session's lines as JSON messages: the backlog from `from` on, then live. */
async function events(house: House, call: Call, caller: Caller): Promise<Serve> {
  const { from } = parse(fromSchema, call.query)
  const session = await visibleSession(house, call, caller)
  await house.views.record(caller, session.id, 'live')
  return async (out) => {
    try {
      for await (const item of tail(house.ports, session.id, out.signal)) {
        if (item.kind === 'caught-up') await out.send('{"type":"caught-up"}')
        else if (item.seq >= from)
          await out.send(`{"type":"line","seq":${item.seq},"at":${item.atUs / 1e6},"line":${item.line.toString()}}`)
      }
      const end = (await house.ports.state.session(session.id))?.end
      out.close(end?.reason === 'killed' ? closeCodes.killed : closeCodes.ended, end?.message ?? 'session ended')
    } catch (error) {
      const { code, title } = problemOf(error)
      httpLog.warn('http.tail-failed', { session: session.id, error })
      out.close(code === 'recording_altered' ? closeCodes.unproven : 1011, title)
    }
  }
}

/** Tells the page which list to ask for again. People hear of what they may see. */
async function feed(house: House, _call: Call, { identity }: Caller): Promise<Serve> {
  return async (out) => {
    const say = (message: FeedMessage) => void out.send(JSON.stringify(message))
    const unwatch = house.ports.feed.watch((event) => {
      void mayHear(house, identity.user, event).then((may) => {
        // A page that is behind hears nothing: it asks for its lists again when it reconnects.
        if (may && !out.isFull) say({ type: 'changed', topic: event.topic, id: event.id })
        else if (may) out.close(closeCodes.slow, 'too slow')
      })
    })
    say({ type: 'welcome', now: house.ports.clock.now() })
    await closed(out)
    unwatch()
  }
}

async function mayHear(house: House, user: Caller['identity']['user'], event: FeedEvent): Promise<boolean> {
  switch (event.topic) {
    case 'alerts':
    case 'revocations':
      return user.roles.includes('reviewer') || user.roles.includes('admin')
    // Whoever is kept out hears of it; that somebody else is locked is not told to everyone.
    case 'locks':
      return seesAll(user) || !event.id.startsWith('user:') || event.id === `user:${user.name}`
    case 'views':
    case 'drills':
      return seesAll(user)
    case 'grants':
      return seesAll(user) || event.user === user.name || (await mayDecideOn(house, user, event.id))
    case 'sessions': {
      if (seesAll(user)) return true
      if (event.user !== null) return event.user === user.name
      const session = await house.ports.state.session(event.id).catch(() => undefined)
      return session?.user === user.name
    }
  }
}

/** Whoever could be asked hears that something waits, without asking. */
async function mayDecideOn({ ports }: House, user: Caller['identity']['user'], id: string): Promise<boolean> {
  const grant = await ports.state.grant(id).catch(() => undefined)
  return grant !== undefined && isPartyTo(ports.requests.decisions, grant, user)
}

function closed(out: Outbound): Promise<void> {
  return new Promise((resolve) => {
    if (out.signal.aborted) resolve()
    else out.signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

export const socketRoutes: readonly Route[] = [
  { kind: 'socket', path: '/ws/sessions/:id/live', access: 'signed-in', open: live, still: visibleSession },
  { kind: 'socket', path: '/ws/sessions/:id/events', access: 'signed-in', open: events, still: visibleSession },
  { kind: 'socket', path: '/ws/events', access: 'signed-in', open: feed },
]
