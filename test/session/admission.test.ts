import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Grant } from '../../src/access/grant.ts'
import { type OpenJournal, openJournal } from '../../src/journal/journal.ts'
import { endGrant } from '../../src/procedure/end.ts'
import { sealStateOf } from '../../src/procedure/seal.ts'
import { Admission, admit, type AdmissionPorts } from '../../src/session/admission.ts'
import type { AdmissionRequest } from '../../src/session/opening.ts'
import { Live } from '../../src/session/live.ts'
import { dialPostgres } from '../../src/postgres/upstream.ts'
import { dialCommand } from '../../src/pty/upstream.ts'
import { openRecorder } from '../../src/session/session-recorder.ts'
import type { SessionEnd } from '../../src/session/session.ts'
import { dialSsh } from '../../src/ssh/upstream.ts'
import { orders, ProcedureWorld, web1 } from '../procedure/world.ts'

let world: ProcedureWorld
let journal: OpenJournal
let folder: string
let grant: Grant
let request: AdmissionRequest
/** What `onEnded` was told, and whether the row and the lines were there by then. */
let ended: { readonly id: string; readonly end: SessionEnd; readonly hasRow: boolean; readonly lines: string[] }[]

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'halligan-admission-'))
  world = await ProcedureWorld.open()
  const options = { dir: join(folder, 'journal'), segmentBytes: 1 << 20, epochKeyFile: join(folder, 'epoch') }
  journal = await openJournal({ ...options, clock: world.clock })
  const identity = await world.proven('alice')
  const statement = { trigger: 'customer-impact', reason: 'checkout is down' }
  grant = await world.access.request(identity, { target: 'web-1', ...statement })
  const what = { kind: 'exec', command: 'id', term: null } as const
  const place = { target: web1, account: 'deploy', database: null, protocol: 'ssh', what } as const
  request = { identity, via: 'ceremony', grant: grant.id, ...place }
  ended = []
})

afterEach(async () => {
  await journal.close()
  await world[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

/** What these tests let one session write. */
const maxBytes = 1 << 20

/** Everything real; `before` and `after` each step of opening may wait. */
function ports(at: (point: string) => Promise<void> | void = () => {}): AdmissionPorts {
  const { clock, state, registry } = world
  return {
    clock,
    registry,
    state: {
      commit: async (change) => {
        await at('before the row')
        const head = await state.commit(change)
        await at('after the row')
        return head
      },
    },
    ceremony: (identity, covered) => world.access.ceremony(identity, covered),
    openRecorder: async (session, header, onFailure) => {
      await at('before the header')
      const live = new Live()
      const recorder = await openRecorder({ session: session.id, header, journal, clock, live, maxBytes, onFailure })
      await at('after the header')
      return recorder
    },
    checkSpace: async () => at('while space is looked at'),
    onEnded: async ({ id }, end) => {
      ended.push({ id, end, hasRow: (await state.session(id)) !== undefined, lines: await linesOf(id) })
    },
    onRecorderFailure: () => {},
    openedAlerts: () => [],
    gate: async () => {
      await at('at the gate')
      return { kind: 'open' }
    },
  }
}

async function linesOf(session: string): Promise<string[]> {
  const lines: string[] = []
  for await (const { line } of journal.lines(session)) lines.push(line.toString())
  return lines
}

async function revoke(): Promise<void> {
  await endGrant(world.end, grant.id, 'revoked', 'adam', 'wrong incident')
}

const points = [
  'while space is looked at',
  'before the row',
  'after the row',
  'before the header',
  'after the header',
  'at the gate',
]

for (const point of points) {
  test(`a revocation ${point} admits nobody, and what was written of the session says why`, async () => {
    const refused = admit(
      ports(async (now) => {
        if (now === point) await revoke()
      }),
      request,
    )
    await expect(refused).rejects.toMatchObject({ code: 'killed' })
    expect(world.registry.sessions()).toEqual([])
    const rows = await world.state.sessions({ limit: 10 })
    expect(ended.map(({ id }) => id)).toEqual(rows.map(({ id }) => id))
    for (const { end, hasRow, lines } of ended) {
      expect(end.reason).toBe('revoked')
      expect(hasRow).toBe(true)
      expect(lines).toHaveLength(3)
      expect(lines[1]).toContain('"kind":"end","reason":"revoked"')
      expect(lines[2]).toContain('"x","130"')
    }
    // Nothing was written of one that ended before there was a row: there is nothing to seal.
    expect(ended).toHaveLength(point === points[0] ? 0 : 1)
  })
}

test('an end right behind the admission is seen by the dialer before it dials', async () => {
  const admission = await admit(ports(), request)
  await revoke()
  expect(admission.signal.aborted).toBe(true)
  expect(await admission.ended).toMatchObject({ reason: 'revoked' })
})

for (const scope of ['user:alice', 'target:web-1', 'all'])
  for (const point of points)
    test(`a lock of ${scope} ${point} admits nobody, and what was written of the session says why`, async () => {
      const taken = { scope, by: 'adam', at: world.clock.now(), reason: 'laptop stolen' }
      const end = { reason: 'revoked', code: 'killed', message: 'locked by adam: laptop stolen' } as const
      const admitting = admit(
        ports((at) => {
          if (at === point) world.registry.lock(taken, end)
        }),
        request,
      )
      await expect(admitting).rejects.toMatchObject({ code: 'killed' })
      expect(world.registry.sessions()).toEqual([])
      for (const { end: written, hasRow } of ended)
        expect({ reason: written.reason, hasRow }).toEqual({ reason: 'revoked', hasRow: true })
      // And nobody comes after it, until it is unlocked.
      await expect(admit(ports(), request)).rejects.toMatchObject({ code: 'no_grant' })
      world.registry.locks.remove(scope)
      const admission = await admit(ports(), request)
      admission.end({ reason: 'client-closed', code: null, message: 'test over' })
      await admission.ended
    })

test('a recording ends with the status that the person saw', async () => {
  const statuses: [SessionEnd, string][] = [
    [{ reason: 'exited', code: null, message: 'it ended with 3', exitStatus: 3 }, '3'],
    [{ reason: 'exited', code: null, message: 'it ended with SIGTERM', exitStatus: 'SIGTERM' }, 'SIGTERM'],
    [{ reason: 'client-closed', code: null, message: 'the client closed the channel' }, '0'],
    [{ reason: 'expired', code: 'grant_expired', message: 'grant g1 expired' }, '124'],
    [{ reason: 'killed', code: 'killed', message: 'killed by adam: wrong host' }, '130'],
  ]
  for (const [end, status] of statuses) {
    const admission = await admit(ports(), request)
    admission.end(end)
    await admission.ended
    expect((await linesOf(admission.session.id)).at(-1)).toMatch(new RegExp(`^\\[[\\d.e-]+,"x","${status}"\\]$`))
  }
})

test('a session that has written as much as one may says so in its recording, and is sealed as complete', async () => {
  const admission = await admit(ports(), request)
  const { recorder } = admission
  await expect(recorder.bytes('o', Buffer.alloc(maxBytes))).rejects.toMatchObject({ code: 'recorder_failed' })
  expect(admission.signal.reason).toMatchObject({ reason: 'recording-full', code: 'recorder_failed' })
  const end = await admission.ended
  expect(end.isRecorded).toBeUndefined()
  expect(sealStateOf(end)).toBe('complete')
  const [reason, exit] = (await linesOf(admission.session.id)).slice(-2)
  expect(reason).toContain('"kind":"end","reason":"recording-full","message":"this session has written 1 MiB')
  expect(exit).toContain('"x","75"')
})

test('an admission cannot be made elsewhere', () => {
  const forge = Admission as unknown as new (minted: object) => Admission
  // The constructor is private to the compiler; whoever goes past it has no controller, recorder or registry to give.
  expect(() => new forge({})).toThrow(TypeError)
  const lookAlike = Object.create(Admission.prototype) as Admission
  expect(() => lookAlike.signal).toThrow(TypeError)
  expect(() => lookAlike.recorder).toThrow(TypeError)
})

test('a look-alike opens no connection: no dialer takes it', async () => {
  let connections = 0
  const server = createServer(() => connections++).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const admission = await admit(ports(), request)
  const { session, ended: over } = admission
  const signal = new AbortController().signal
  const copied = { session, grant, target: { ...web1, port }, account: 'deploy', database: null, ended: over, signal }
  // @ts-expect-error A structure with the same fields is no Admission: its class has private ones.
  const forged: Admission = copied
  // Nor is what only inherits from a real one.
  const inherited = Object.create(admission) as Admission
  const program = { start: { kind: 'shell' }, terminal: undefined, environment: [] } as const
  const listener = { output: () => {}, outputEnded: () => {}, exit: () => {}, closed: () => {} }
  for (const fake of [forged, inherited]) {
    const { clock } = world
    const shaped = (target: object) => Object.create(fake, { target: { value: target } }) as Admission
    const command = { ...web1, kind: 'command', argv: ['/bin/true'], runAs: 'demo-self', cwd: '/', env: {} }
    for (const dialled of [
      dialSsh({ clock, privateKey: () => '' }, fake, program, listener),
      dialPostgres({ clock, password: () => '' }, shaped({ ...orders, port }), {
        parameters: new Map(),
        application: 'forger',
      }),
      dialCommand(shaped(command), program, listener),
    ])
      await expect(dialled).rejects.toThrow('minted by the admission check')
  }
  expect(connections).toBe(0)
  server.close()
  admission.end({ reason: 'client-closed', code: null, message: 'test over' })
  await admission.ended
})
