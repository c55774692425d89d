// Signing in, stepping up, signing out.

import { z } from 'zod'
import { HalliganError } from '../errors.ts'
import type { Identity } from '../identity/user.ts'
import type { Me } from './api.ts'
import { pageRefusal } from './lock-routes.ts'
import { parse, type Call, type Caller, type House, type Route } from './route.ts'
import { ABSOLUTE_MS, COOKIE_NAME } from './web-session.ts'

const tokenSchema = z.object({ token: z.string().regex(/^[\w-]{22}$/, 'is not a link’s token') })
const codeSchema = z.object({ code: z.string().max(64, 'is too long') })

/** Whose account a link opens, shown before it is redeemed; spends nothing. */
async function peek(house: House, call: Call): Promise<{ user: string; installation: string }> {
  const { token } = parse(tokenSchema, call.body)
  return { user: refusing(house, call, () => house.links.peek(token, call.address)), installation: house.installation }
}

/** Spends a link and opens a session that reads. */
async function redeem(house: House, call: Call): Promise<{ user: string }> {
  const { token } = parse(tokenSchema, call.body)
  const waiting = refusing(house, call, () => house.links.peek(token, call.address))
  const asking = house.ports.directory.byName(waiting)
  const locked = asking === undefined ? undefined : pageRefusal(house.ports.locks.held, asking)
  if (locked !== undefined) throw locked
  const name = refusing(house, call, () => house.links.redeem(token, call.address))
  const user = house.ports.directory.byName(name)
  if (user === undefined) throw new HalliganError('denied', `${name} is no user any more`)
  await house.ports.leaf([{ type: 'web-login', user: name, address: call.address }])
  if (call.cookie !== undefined) house.sessions.close(call.cookie)
  setCookie(call, house.sessions.open(user, call.address), ABSOLUTE_MS / 1000)
  return { user: name }
}

async function me(house: House, _call: Call, { identity, session }: Caller): Promise<Me> {
  const { user } = identity
  return {
    user: user.name,
    roles: user.roles,
    groups: user.groups,
    installation: house.installation,
    now: house.ports.clock.now(),
    stepUp: house.sessions.steppedUp(session),
  }
}

/** Checks a code from the authenticator; afterwards this session may take access away for a while. */
async function stepUp(house: House, call: Call, { identity, session }: Caller): Promise<Me['stepUp']> {
  const { code } = parse(codeSchema, call.body)
  const outcome = await house.ports.mfa.verify(identity, code)
  if (outcome.kind === 'refused') throw outcome.error
  house.sessions.stepUp(session)
  return house.sessions.steppedUp(session)
}

async function signOut(house: House, call: Call, { token }: Caller): Promise<{ signedOut: true }> {
  house.sessions.close(token)
  setCookie(call, '', 0)
  return { signedOut: true }
}

export const signInRoutes: readonly Route[] = [
  { kind: 'act', path: '/api/links/peek', access: 'anyone', handle: peek },
  { kind: 'act', path: '/api/links/redeem', access: 'anyone', handle: redeem },
  { kind: 'read', path: '/api/me', access: 'signed-in', handle: me },
  { kind: 'act', path: '/api/step-up', access: 'signed-in', handle: stepUp },
  { kind: 'act', path: '/api/sign-out', access: 'signed-in', handle: signOut },
]

/** The caller behind a cookie, if its session is alive. */
export function callerOf(house: House, token: string | undefined, address: string): Caller | undefined {
  const session = house.sessions.find(token)
  if (session === undefined || token === undefined) return undefined
  const identity: Identity = { user: session.user, fingerprint: 'web', address }
  return { session, identity, token }
}

/** A link that opens nothing is an attempt to enter: it is reported. */
function refusing(house: House, call: Call, attempt: () => string): string {
  try {
    return attempt()
  } catch (error) {
    house.ports.reportRefusal({ protocol: 'web', login: '', address: call.address, reason: 'bad-link' })
    throw error
  }
}

function setCookie(call: Call, value: string, maxAge: number): void {
  void call.reply.setCookie(COOKIE_NAME, value, { path: '/', httpOnly: true, secure: true, sameSite: 'strict', maxAge })
}
