// The web side on 127.0.0.1:0 with everything above its ports real: fastify, websockets, sign-in, the code check. Only
// the state and the recordings are in memory.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { generateSync } from 'otplib'
import { WebSocket } from 'ws'
import { mayExtend, mayRevoke } from '../../src/access/extension.ts'
import { grantDefaults, type Grant } from '../../src/access/grant.ts'
import type { Policy } from '../../src/access/policy.ts'
import { systemClock, type Clock } from '../../src/clock.ts'
import { HalliganError } from '../../src/errors.ts'
import { Feed, withFeed } from '../../src/http/feed.ts'
import type { OpenedRecording } from '../../src/http/ports.ts'
import { startHttp, type HttpOptions, type HttpServer } from '../../src/http/server.ts'
import { buildDirectory } from '../../src/identity/directory.ts'
import { LiveDirectory } from '../../src/identity/live-directory.ts'
import type { Role, User } from '../../src/identity/user.ts'
import { Access } from '../../src/procedure/access.ts'
import { extend } from '../../src/procedure/extend.ts'
import { lock, unlock, type LockPorts } from '../../src/procedure/lock.ts'
import { mayVouch, type VouchPorts } from '../../src/procedure/bypass.ts'
import { Mfa } from '../../src/procedure/mfa.ts'
import { Reports } from '../../src/procedure/report.ts'
import type { ReviewPorts } from '../../src/procedure/review.ts'
import type { AnchorStatus } from '../../src/procedure/anchor-status.ts'
import type { SearchAsk, SearchMatch } from '../../src/procedure/search.ts'
import { type OfferPorts } from '../../src/procedure/offer.ts'
import { RequestClock } from '../../src/procedure/request-clock.ts'
import { ReviewDebts } from '../../src/procedure/review-debt.ts'
import { encodeLine, type LineBody } from '../../src/recording/event-line.ts'
import type { DecisionPorts } from '../../src/procedure/waiting.ts'
import { Live } from '../../src/session/live.ts'
import { Registry } from '../../src/session/registry.ts'
import type { SessionEnd, SessionRecord } from '../../src/session/session.ts'
import type { Target } from '../../src/target.ts'
import { MemoryDrills } from './memory-drills.ts'
import { MemoryState } from './memory-state.ts'

const secret = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'

/** What the page is told of the places that keep checkpoints. */
const anchored: AnchorStatus = {
  promisedMs: 5_000,
  windowMs: 4_000,
  places: [
    {
      name: 'vault',
      outside: true,
      everyMs: 5_000,
      newest: { size: 1_234, at: Date.UTC(2026, 10, 21, 3) },
      error: null,
      failingSince: null,
      isContradicted: false,
    },
    {
      name: 'shed',
      outside: false,
      everyMs: 3_600_000,
      newest: null,
      error: 'HTTP 500',
      failingSince: null,
      isContradicted: false,
    },
  ],
}

export const people: readonly User[] = (
  [
    ['alice', ['engineer'], ['oncall']],
    ['erin', ['engineer'], ['oncall']],
    ['bob', ['approver'], ['leads']],
    ['rita', ['reviewer'], ['security']],
    ['adam', ['admin', 'engineer'], ['platform']],
    ['otto', ['auditor'], []],
  ] as const satisfies readonly (readonly [string, readonly Role[], readonly string[]])[]
).map(([name, roles, groups]) => ({ name, roles, groups, keys: [] }))

export interface World {
  readonly server: HttpServer
  readonly origin: string
  readonly state: MemoryState
  readonly drills: MemoryDrills
  readonly feed: Feed
  readonly live: Live
  /** Who is known; `replace` it for a changed configuration. */
  readonly directory: LiveDirectory
  readonly reviews: ReviewPorts
  readonly registry: Registry
  /** For locking as somebody does over ssh. */
  readonly locking: LockPorts
  readonly decisions: DecisionPorts
  readonly vouch: VouchPorts
  /** When a channel took the approvers' alert, by grant. */
  readonly announced: Map<string, number>
  readonly kills: { session: string; by: string; reason: string }[]
  readonly refusals: string[]
  /** Findings to give instead of a recording, by session. */
  readonly findings: Map<string, { finding: string; message: string }>
  /** What the search index is asked, and what it finds whoever asks. */
  readonly asked: readonly SearchAsk[]
  matches: readonly SearchMatch[]
  /** Called at each opening of a recording, before it is given: for races. */
  onOpen: (session: string) => void
  /** Signs in by a real link; gives the Cookie header. */
  signIn(user: string): Promise<string>
  /** A code that counts for `user` now, each call a later one. */
  code(user: string): string
  stepUp(user: string, cookie: string): Promise<void>
  get(path: string, cookie?: string, headers?: Record<string, string>): Promise<Response>
  post(path: string, body: unknown, cookie?: string, headers?: Record<string, string>): Promise<Response>
  socket(path: string, cookie?: string, options?: { protocol?: string; origin?: string }): WebSocket
  open(session: Partial<SessionRecord> & { id: string }): Promise<SessionRecord>
  /** Makes lines durable, then live. */
  record(session: string, atUs: number, ...bodies: LineBody[]): void
  end(session: string, end?: Partial<SessionEnd>): Promise<void>
  seal(session: string): Promise<void>
  grant(grant: Partial<Grant> & { id: string }): Promise<Grant>
  close(): Promise<void>
}

export async function startWorld(
  options: { clock?: Clock; webRoot?: string; policies?: readonly Policy[]; targets?: readonly Target[] } & Partial<
    Pick<HttpOptions, 'origins' | 'trustedProxies'>
  > = {},
): Promise<World> {
  const clock = options.clock ?? systemClock()
  const memory = new MemoryState()
  const feed = new Feed()
  const state = withFeed(memory, feed)
  const live = new Live()
  const lines = new Map<string, { atUs: number; lines: Buffer[] }>()
  const empty = options.webRoot === undefined ? await mkdtemp(join(tmpdir(), 'halligan-web-')) : undefined
  for (const { name } of people)
    await state.commit({ at: 0, writes: [{ kind: 'totp-enrolled', user: name, secret }], leaves: [] })
  const kills: World['kills'] = []
  const refusals: string[] = []
  const findings: World['findings'] = new Map()
  const directory = new LiveDirectory(buildDirectory(people))
  const policy = (name: string) => options.policies?.find((each) => each.name === name)
  const debts = new ReviewDebts({ clock, state, policy, directory })
  const reviews: ReviewPorts = {
    clock,
    state,
    policy,
    directory,
    channels: ['sec'],
    nudge: () => undefined,
    debts,
    finding: async ({ id }) => findings.get(id)?.finding ?? null,
  }

  async function end(session: string, part: Partial<SessionEnd> = {}): Promise<void> {
    const full = { reason: 'exited', code: null, message: 'exited with 0', ...part } as SessionEnd
    record(session, (lines.get(session)?.atUs ?? 0) + 1000, {
      kind: 'fact',
      code: 'n',
      data: { kind: 'end', reason: full.reason, message: full.message },
    })
    const openedAt = (await memory.session(session))?.openedAt ?? clock.now()
    const endedAt = openedAt + Math.round((lines.get(session)?.atUs ?? 0) / 1000)
    const write = { kind: 'session-ended', id: session, endedAt, end: full } as const
    await state.commit({ at: clock.now(), writes: [write], leaves: [] })
  }

  function record(session: string, atUs: number, ...bodies: LineBody[]): void {
    const kept = lines.get(session) ?? { atUs: 0, lines: [] }
    lines.set(session, kept)
    for (const body of bodies) {
      const interval = Math.max(0, atUs - kept.atUs) / 1e6
      kept.atUs = Math.max(atUs, kept.atUs)
      const seq = kept.lines.push(encodeLine(interval, body)) - 1
      live.publish({ session, seq, sinceOpenUs: kept.atUs, body })
    }
  }

  const registry = new Registry(clock, () => undefined)
  const mfa = new Mfa({
    clock,
    state,
    lockedOutAlerts: () => [],
    codeUsedAlerts: () => [],
    mayVouch: (name) => mayVouch({ directory, locks: registry.locks }, name),
    nudge: () => undefined,
  })
  const access = new Access({
    clock,
    state,
    registry,
    mfa,
    policies: options.policies ?? [],
    targets: options.targets ?? [],
    channels: ['sec'],
    debts,
    check: () => undefined,
    nudge: () => undefined,
  })
  const announced = new Map<string, number>()
  const decisions: DecisionPorts = {
    clock,
    state,
    registry,
    policy: (of) => policy(typeof of === 'string' ? of : of.policy),
    channels: ['sec'],
    nudge: () => undefined,
    directory,
    events: (filter) => state.events(filter),
    requestClock: new RequestClock(clock),
    announcedAt: async (grant) => announced.get(grant.id) ?? null,
  }
  const locking: LockPorts = {
    ...decisions,
    state,
    knows: (scope) =>
      scope === 'all' || scope === 'target:web-1' || people.some(({ name }) => scope === `user:${name}`),
  }
  const offers: OfferPorts = { clock, access, directory, locks: registry.locks, channels: ['sec'] }
  const vouch: VouchPorts = {
    clock,
    state,
    directory,
    locks: registry.locks,
    channels: ['sec'],
    nudge: () => undefined,
  }
  const drills = new MemoryDrills()
  const asked: SearchAsk[] = []
  const world: Pick<World, 'onOpen' | 'matches'> = { onOpen: () => {}, matches: [] }
  const server = await startHttp({
    host: '127.0.0.1',
    port: 0,
    installation: 'test-house',
    webRoot: options.webRoot ?? empty ?? '',
    origins: options.origins ?? [],
    trustedProxies: options.trustedProxies ?? [],
    ports: {
      clock,
      directory,
      watchPeople: (listener) => directory.watch(listener),
      mfa,
      requests: { decisions, offers, access },
      state,
      live,
      feed,
      recordings: {
        open: async (session) => {
          world.onOpen(session.id)
          return opened(session, lines.get(session.id)?.lines ?? [], findings)
        },
      },
      drills,
      anchors: { status: () => anchored },
      sessions: {
        kill: async (session, by, reason) => {
          kills.push({ session, by, reason })
          await end(session, { reason: 'killed', code: 'killed', message: `killed by ${by}: ${reason}` })
          await state.commit({ at: 0, writes: [], leaves: [{ type: 'session-kill', session, by, reason }] })
        },
      },
      grants: {
        end: async (id, how, by, reason) => {
          const grant = await state.grant(id)
          if (grant === undefined) throw new HalliganError('not_found', id)
          const ended = { ...grant, state: 'awaiting-review', end: { how, by, reason } } as const
          await state.commit({
            at: 0,
            writes: [{ kind: 'grant', grant: ended, expectVersion: null }],
            leaves: [{ type: 'grant-ended', grant: id, how, by, reason }],
          })
        },
        extend: (grant, by, reason, durationMs) => extend(decisions, by, grant, reason, durationMs),
        mayRevoke: (user, grant) => mayRevoke(policy(grant.policy), grant, user),
        mayExtend: (user, grant) => {
          const under = policy(grant.policy)
          return under !== undefined && mayExtend(under, grant, user)
        },
      },
      locks: {
        held: registry.locks,
        lock: (scope, by, reason) => lock(locking, scope, by, reason),
        unlock: (scope, by, reason) => unlock(locking, scope, by, reason),
      },
      leaf: async (events) => {
        await state.commit({ at: clock.now(), writes: [], leaves: events })
      },
      reviews,
      explanation: {
        clock,
        state,
        directory,
        debts,
        policies: options.policies ?? [],
        targets: options.targets ?? [],
        configuration: { sha256: 'c'.repeat(64), refused: null },
      },
      reports: new Reports({ clock, state }),
      search: {
        clock,
        state,
        policy: reviews.policy,
        index: {
          isCaughtUp: true,
          find: async (ask) => {
            asked.push(ask)
            return { matches: world.matches, count: world.matches.length, isMore: false }
          },
        },
      },
      alerts: { clock, state, nudge: () => undefined },
      reportRefusal: ({ reason }) => refusals.push(reason),
    },
  })
  const origin = server.url
  const base = `http://127.0.0.1:${server.port}`
  let codes = 0

  const post: World['post'] = (path, body, cookie, headers = {}) =>
    fetch(`${base}${path}`, {
      method: 'POST',
      headers: { origin, 'content-type': 'application/json', ...(cookie === undefined ? {} : { cookie }), ...headers },
      body: JSON.stringify(body),
    })
  const code = () => generateSync({ secret, epoch: clock.now() / 1000 + 30 * Math.min(codes++, 1) })

  return Object.assign(world, {
    server,
    origin,
    state: memory,
    drills,
    feed,
    live,
    directory,
    reviews,
    registry,
    locking,
    decisions,
    vouch,
    announced,
    kills,
    refusals,
    findings,
    asked,
    post,
    code,
    record,
    end,
    signIn: async (user: string) => {
      const link = await server.issueLink(user, '::1')
      const answer = await post('/api/links/redeem', { token: link.split('#once=')[1] })
      return (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
    },
    stepUp: async (_user: string, cookie: string) => {
      const answer = await post('/api/step-up', { code: code() }, cookie)
      if (!answer.ok) throw new Error(`step-up: ${await answer.text()}`)
    },
    get: (path: string, cookie?: string, headers: Record<string, string> = {}) =>
      fetch(`${base}${path}`, {
        headers: { ...(cookie === undefined ? {} : { cookie }), ...headers },
        redirect: 'manual',
      }),
    socket: (path: string, cookie?: string, ask: { protocol?: string; origin?: string } = {}) =>
      new WebSocket(`ws://127.0.0.1:${server.port}${path}`, ask.protocol === undefined ? [] : [ask.protocol], {
        headers: { origin: ask.origin ?? origin, ...(cookie === undefined ? {} : { cookie }) },
      }),
    open: async (part: Partial<SessionRecord> & { id: string }) => {
      const session = { ...example(clock.now()), ...part }
      await state.commit({ at: clock.now(), writes: [{ kind: 'session-open', session }], leaves: [] })
      const term = 'term' in session.what ? session.what.term : null
      record(session.id, 0, { kind: 'header', header: { version: 3, term: term ?? { cols: 80, rows: 24 } } })
      return session
    },
    seal: async (session: string) => {
      const kept = lines.get(session)?.lines ?? []
      const seal = {
        file: `2026/11/21/${session}.cast.zst`,
        root: 'c0ffee'.repeat(10) + 'beef',
        lines: kept.length,
        firstSeq: 0,
        lastSeq: kept.length - 1,
        sizeBytes: 4_096,
        sha256: 'ab'.repeat(32),
        state: 'complete',
      } as const
      await state.commit({ at: clock.now(), writes: [{ kind: 'session-sealed', id: session, seal }], leaves: [] })
    },
    grant: async (part: Partial<Grant> & { id: string }) => {
      const grant = { ...exampleGrant(clock.now()), ...part }
      const alerts = [
        { id: `a-${grant.id}`, channel: 'sec', type: 'grant.activated', at: clock.now(), payload: { grant: grant.id } },
      ]
      await state.commit({ at: 0, writes: [{ kind: 'grant', grant, expectVersion: null }], leaves: [], alerts })
      return grant
    },
    close: async () => {
      await server.close()
      if (empty !== undefined) await rm(empty, { recursive: true })
    },
  })
}

function opened(
  session: SessionRecord,
  lines: readonly Buffer[],
  findings: ReadonlyMap<string, { finding: string; message: string }>,
): OpenedRecording {
  const finding = findings.get(session.id)
  if (finding !== undefined) return { kind: 'finding', ...finding }
  // As a journal does: what is durable when the reading starts.
  const read = async function* (from: number) {
    const count = lines.length
    for (let seq = from; seq < count; seq++) yield { seq, line: lines[seq] ?? Buffer.alloc(0) }
  }
  if (session.state !== 'sealed') return { kind: 'journal', lines: read }
  const file = Buffer.from(`file of ${session.id}`)
  return {
    kind: 'sealed',
    lines: read,
    file: () => Readable.from([file]),
    sizeBytes: file.length,
    contentBytes: lines.reduce((sum, line) => sum + line.length + 1, 0),
  }
}

function example(now: number): SessionRecord {
  return {
    id: 'saaaaaaaaaaaa',
    protocol: 'ssh',
    grant: 'g7f3',
    user: 'alice',
    fingerprint: 'SHA256:qJ3hKDdq0m2o0nU5Tg0m7sR9Yp0Yc0c8lq0y0Jr0h2E',
    mfa: 'totp',
    address: '127.0.0.1',
    target: 'web-1',
    account: 'deploy',
    database: null,
    what: { kind: 'shell', term: { type: 'xterm-256color', cols: 80, rows: 24 } },
    openedAt: now,
    state: 'open',
    endedAt: null,
    end: null,
    seal: null,
  }
}

function exampleGrant(now: number): Grant {
  return {
    id: 'g7f3',
    state: 'active',
    version: 2,
    user: 'alice',
    policy: 'production-emergency',
    policyHash: '5f'.repeat(32),
    target: 'web-1',
    account: 'deploy',
    databases: [],
    trigger: 'customer-impact',
    reason: 'checkout answers 502 for every third customer',
    incident: 'INC-42',
    rule: 'production-emergency/approval[0]',
    durationMs: 1_800_000,
    requestedAt: now,
    requestedFrom: '127.0.0.1',
    activatedAt: now,
    expiresAt: now + 1_800_000,
    endedAt: null,
    end: null,
    approvals: [],
    override: null,
    reviewDueAt: null,
    review: null,
    ...grantDefaults,
  }
}
