// What happens between a request for a session and its dial: the scope, the alert gate, and whoever is gone meanwhile.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Grant } from '../../src/access/grant.ts'
import { HalliganError } from '../../src/errors.ts'
import { type OpenJournal, openJournal } from '../../src/journal/journal.ts'
import { endGrant } from '../../src/procedure/end.ts'
import { admit, type AdmissionPorts, type Gate } from '../../src/session/admission.ts'
import { Live } from '../../src/session/live.ts'
import type { AdmissionRequest } from '../../src/session/opening.ts'
import { scopedEnvironment, scopeProblem } from '../../src/session/scope.ts'
import { openRecorder } from '../../src/session/session-recorder.ts'
import type { SessionEnd, SessionSubject } from '../../src/session/session.ts'
import { policyOf, ProcedureWorld, web1 } from '../procedure/world.ts'
import { grantOf } from '../support/grant.ts'

let world: ProcedureWorld
let journal: OpenJournal
let folder: string
let grant: Grant
let request: AdmissionRequest
let ended: { readonly id: string; readonly end: SessionEnd }[]

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'halligan-gate-'))
  world = await ProcedureWorld.open([
    policyOf({ scope: { databases: [], schemas: [], commands: ['uptime'], files: false } }),
  ])
  const options = { dir: join(folder, 'journal'), segmentBytes: 1 << 20, epochKeyFile: join(folder, 'epoch') }
  journal = await openJournal({ ...options, clock: world.clock })
  const identity = await world.proven('alice')
  grant = await world.access.request(identity, { target: 'web-1', reason: 'checkout is down' })
  request = {
    identity,
    via: 'ceremony',
    grant: grant.id,
    target: web1,
    account: 'deploy',
    database: null,
    protocol: 'ssh',
    what: { kind: 'exec', command: 'uptime', term: null },
  }
  ended = []
})

afterEach(async () => {
  await journal.close()
  await world[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

function ports(gate: Gate): AdmissionPorts {
  const { clock, state, registry } = world
  return {
    clock,
    registry,
    state,
    ceremony: (identity, covered) => world.access.ceremony(identity, covered),
    openRecorder: (session, header, onFailure) =>
      openRecorder({ session: session.id, header, journal, clock, live: new Live(), onFailure }),
    checkSpace: async () => {},
    openedAlerts: ({ id }) => [
      { id: `a-${id}`, channel: 'desk', type: 'session.opened', at: clock.now(), payload: {} },
    ],
    gate,
    onEnded: async ({ id }, end) => {
      ended.push({ id, end })
    },
    onRecorderFailure: () => {},
  }
}

async function linesOf(session: string): Promise<string[]> {
  const lines: string[] = []
  for await (const { line } of journal.lines(session)) lines.push(line.toString())
  return lines
}

/** A gate that somebody waits at until a test lets them. */
function held(): { readonly gate: Gate; readonly entered: Promise<string>; readonly open: (line?: string) => void } {
  const { promise: entered, resolve: enter } = Promise.withResolvers<string>()
  const { promise: opened, resolve: open } = Promise.withResolvers<string | undefined>()
  return {
    entered,
    open: (line) => open(line),
    gate: async (session, _grant, { signal, tell }) => {
      tell('waiting until somebody has been told')
      enter(session.id)
      const aborted = new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(new HalliganError('unavailable', 'given up')), { once: true })
      })
      const line = await Promise.race([opened, aborted])
      return line === undefined ? { kind: 'open' } : { kind: 'unannounced', line }
    },
  }
}

test('at the gate row, leaf, alert and header line are durable, and nothing was handed out', async () => {
  const gate = held()
  const told: string[] = []
  const admitted = admit(ports(gate.gate), { ...request, tell: (line) => told.push(line) })
  const id = await gate.entered
  expect((await world.state.session(id))?.state).toBe('open')
  expect((await world.leaves('session-opened')).map(({ session }) => session)).toEqual([id])
  expect((await world.state.alerts({ limit: 1 }))[0]).toMatchObject({ type: 'session.opened' })
  expect((await linesOf(id))[0]).toContain('"version":3')
  expect(told).toEqual(['waiting until somebody has been told'])
  gate.open()
  const admission = await admitted
  expect(admission.remarks).toEqual([])
  admission.end({ reason: 'client-closed', code: null, message: 'done' })
  await admission.ended
})

test('an unannounced session says so to whoever comes in, and in the recording before anything else', async () => {
  const gate = held()
  const admitted = admit(ports(gate.gate), request)
  gate.open('UNANNOUNCED: nobody was told')
  const admission = await admitted
  expect(admission.remarks).toEqual(['UNANNOUNCED: nobody was told'])
  expect((await linesOf(admission.session.id)).at(-1)).toContain('"kind":"unannounced"')
  admission.end({ reason: 'client-closed', code: null, message: 'done' })
  await admission.ended
})

test('a gate that refuses ends the session with its words, and the recording has them', async () => {
  const refused = admit(
    ports(() => Promise.reject(new HalliganError('denied', 'nobody outside was told'))),
    request,
  )
  await expect(refused).rejects.toMatchObject({ code: 'denied' })
  expect(ended).toMatchObject([{ end: { reason: 'unannounced', code: 'denied', message: 'nobody outside was told' } }])
  const lines = await linesOf(ended[0]?.id ?? '')
  expect(lines.slice(-2)).toEqual([
    expect.stringContaining('nobody outside was told'),
    expect.stringContaining('"x","77"'),
  ])
  expect(world.registry.sessions()).toEqual([])
})

const ends: readonly {
  readonly name: string
  readonly act: () => Promise<unknown> | void
  readonly code: string
  readonly reason: string
}[] = [
  {
    name: 'a revocation',
    act: () => endGrant(world.end, grant.id, 'revoked', 'adam', 'no'),
    code: 'killed',
    reason: 'revoked',
  },
  {
    name: 'giving it back',
    act: () => endGrant(world.end, grant.id, 'returned', 'alice', ''),
    code: 'grant_expired',
    reason: 'returned',
  },
  { name: 'its expiry', act: () => world.clock.advance(31 * 60_000), code: 'grant_expired', reason: 'expired' },
  {
    name: 'a lock',
    act: () => {
      const end = { reason: 'killed', code: 'killed', message: 'locked' } as const
      world.registry.lock({ scope: 'all', by: 'adam', at: 0, reason: 'red button' }, end)
    },
    code: 'killed',
    reason: 'killed',
  },
]
for (const { name, act, code, reason } of ends)
  test(`${name} during the hold cancels it at once`, async () => {
    const gate = held()
    const admitted = admit(ports(gate.gate), request)
    const refused = expect(admitted).rejects.toMatchObject({ code })
    await gate.entered
    await act()
    await refused
    expect(ended).toMatchObject([{ end: { reason } }])
    expect(world.registry.sessions()).toEqual([])
    // What comes after is too late.
    gate.open()
  })

test('a client that goes during the hold cancels it, and one that was gone before is not let in at all', async () => {
  const gate = held()
  const gone = new AbortController()
  const admitted = admit(ports(gate.gate), { ...request, gone: gone.signal })
  const refused = expect(admitted).rejects.toMatchObject({ code: 'unavailable' })
  await gate.entered
  gone.abort()
  await refused
  expect(ended).toMatchObject([{ end: { reason: 'client-closed' } }])
  await expect(admit(ports(gate.gate), { ...request, gone: gone.signal })).rejects.toMatchObject({
    code: 'unavailable',
  })
  expect(world.registry.sessions()).toEqual([])
  expect(await world.leaves('session-opened')).toHaveLength(1)
})

test('a client that goes after its admission ends it by its own way alone', async () => {
  const gone = new AbortController()
  const admission = await admit(
    ports(async () => ({ kind: 'open' })),
    { ...request, gone: gone.signal },
  )
  gone.abort()
  expect(admission.signal.aborted).toBe(false)
  admission.end({ reason: 'client-closed', code: null, message: 'done' })
  await admission.ended
})

test('a check that could not be asked is said to whoever comes in', async () => {
  const identity = await world.proven('dave')
  const record = {
    check: 'desk',
    outcome: 'error',
    detail: 'HTTP 500',
    onError: 'allow',
    at: world.clock.now(),
  } as const
  const { policy, policyHash } = grant
  const given = grantOf(world.clock.now(), { id: 'gdave', user: 'dave', policy, policyHash, checks: [record] })
  await world.state.commit({ at: 0, writes: [{ kind: 'grant', grant: given, expectVersion: null }], leaves: [] })
  world.registry.track(given)
  const admission = await admit(
    ports(async () => ({ kind: 'open' })),
    { ...request, identity, grant: given.id },
  )
  expect(admission.remarks).toEqual([expect.stringContaining('HTTP 500')])
  const lines = await linesOf(admission.session.id)
  expect(lines[0]).toContain('"checks":[{"check":"desk","outcome":"error","detail":"HTTP 500"}]')
  admission.end({ reason: 'client-closed', code: null, message: 'done' })
  await admission.ended
})

const term = { type: 'xterm', cols: 80, rows: 24 }
const exec = (command: string): SessionSubject => ({ kind: 'exec', command, term: null })
const subjects: readonly {
  readonly name: string
  readonly what: SessionSubject
  readonly opens: boolean
  readonly files?: boolean
}[] = [
  { name: 'a listed command', what: exec('systemctl restart web'), opens: true },
  { name: 'the same on a terminal', what: { kind: 'exec', command: 'systemctl restart web', term }, opens: true },
  { name: 'a command with a space more', what: exec('systemctl  restart web'), opens: false },
  { name: 'a command with a space behind', what: exec('systemctl restart web '), opens: false },
  { name: 'a command with a newline behind', what: exec('systemctl restart web\n'), opens: false },
  { name: 'a command with a NUL behind', what: exec('systemctl restart web\0'), opens: false },
  { name: 'a command with another behind it', what: exec('systemctl restart web; id'), opens: false },
  { name: 'part of a listed command', what: exec('systemctl restart'), opens: false },
  { name: 'another case', what: exec('Systemctl restart web'), opens: false },
  { name: 'no command', what: exec(''), opens: false },
  { name: 'bytes that are no text', what: exec('cat \ufffd'), opens: false },
  { name: 'a shell', what: { kind: 'shell', term }, opens: false },
  { name: 'old scp', what: exec('scp -t /tmp'), opens: false, files: true },
  { name: 'sftp without files', what: { kind: 'subsystem', name: 'sftp' }, opens: false },
  { name: 'sftp with files', what: { kind: 'subsystem', name: 'sftp' }, opens: true, files: true },
  { name: 'another subsystem with files', what: { kind: 'subsystem', name: 'netconf' }, opens: false, files: true },
  { name: 'sftp as a command with files', what: exec('internal-sftp'), opens: false, files: true },
  { name: 'a database', what: { kind: 'sql', application: 'psql' }, opens: true },
]
for (const { name, what, opens, files = false } of subjects)
  test(`a scope of commands ${opens ? 'opens' : 'does not open'} ${name}`, () => {
    const scoped = grantOf(0, { commands: ['systemctl restart web', 'uptime', 'cat \ufffd'], files })
    const problem = scopeProblem(scoped, what)
    if (opens) expect(problem).toBeUndefined()
    else {
      expect(problem).toMatchObject({ code: 'denied' })
      expect(problem?.hint).toContain('systemctl restart web; uptime')
      expect(problem?.hint?.includes('sftp')).toBe(files)
    }
    expect(scopeProblem(grantOf(0, { commands: [], files: false }), what)).toBeUndefined()
  })

test('beside a list of commands a client sends its language along and nothing else', () => {
  const sent = [
    ['LANG', 'C.UTF-8'],
    ['LC_ALL', 'C'],
    ['BASH_ENV', '/tmp/x'],
    ['LD_PRELOAD', '/tmp/x.so'],
    ['LC_', 'x'],
    ['XLANG', 'x'],
  ] as const
  const names = (commands: readonly string[]) => scopedEnvironment(grantOf(0, { commands }), sent).map(([name]) => name)
  expect(names(['uptime'])).toEqual(['LANG', 'LC_ALL'])
  expect(names([])).toHaveLength(6)
})

test('a scope of commands refuses before a row is written or anything is held', async () => {
  for (const what of [{ kind: 'shell', term } as const, exec('id'), { kind: 'subsystem', name: 'sftp' } as const])
    await expect(
      admit(
        ports(async () => ({ kind: 'open' })),
        { ...request, what },
      ),
    ).rejects.toMatchObject({ code: 'denied' })
  expect(await world.state.sessions({ limit: 5 })).toEqual([])
  expect(ended).toEqual([])
})
