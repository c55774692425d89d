import { expect, test } from 'vitest'
import type { Grant } from '../../src/access/grant.ts'
import type { Identity } from '../../src/identity/user.ts'
import { ApprovalWaits, MAX_WAITS_PER_USER } from '../../src/procedure/approval-waits.ts'
import type { AccessContract } from '../../src/procedure/contract.ts'
import type { Waiting } from '../../src/procedure/waiting.ts'
import { lockedError, Locks } from '../../src/session/locks.ts'
import { awaitApproval, type ApprovalPorts } from '../../src/ssh/approval-wait.ts'
import { FakeClock } from '../support/clock.ts'
import { grantOf } from '../support/grant.ts'

const alice: Identity = {
  user: { name: 'alice', groups: [], roles: [], keys: [] },
  fingerprint: 'SHA256:alice',
  address: '10.0.0.1',
}

/** One waiting request, and connections that wait for it. */
function waitingRoom() {
  const clock = new FakeClock()
  const locks = new Locks()
  let grant: Grant = grantOf(clock.now(), { state: 'requested', activatedAt: null, expiresAt: null })
  const facts = { asked: ['bob'], announcedAt: null as number | null, overrideInMs: 120_000 as number | null }
  const ports: ApprovalPorts = {
    clock,
    access: {
      liveGrant: async () => undefined,
      lockOn: ({ user }, target) => {
        const lock = locks.on(user.name, target)
        return lock === undefined ? undefined : lockedError(lock)
      },
    } as Partial<AccessContract> as AccessContract,
    waitingGrant: async () => grant,
    grant: async () => grant,
    waiting: async (waiting): Promise<Waiting> => ({
      grant: waiting,
      need: { rule: 'p/approval[0]', required: 1, override: null, from: { groups: [], roles: [] } },
      progress: { kind: 'waiting', missing: 1, overrideAt: null },
      overrideReasonLength: null,
      lapsesInMs: 900_000,
      ...facts,
    }),
    waits: new ApprovalWaits(),
  }
  const lines: string[] = []
  const gone = new AbortController()
  return {
    clock,
    facts,
    locks,
    lines,
    gone,
    become: (state: Grant['state']) => {
      grant = { ...grant, state }
    },
    wait: (isTerminal = true) =>
      awaitApproval(ports, {
        identity: alice,
        target: 'web-1',
        account: undefined,
        isTerminal,
        write: (line) => lines.push(line),
        gone: gone.signal,
      }).then(
        ({ state }) => state as string,
        (error: { code: string }) => error.code,
      ),
    /** Lets one poll happen. */
    async tick(ms = 1_000) {
      for (let passed = 0; passed < ms; passed += 1_000) {
        await new Promise((resolve) => setImmediate(resolve))
        clock.advance(1_000)
      }
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

test('who waits sees who was asked, and hears at once what changes', async () => {
  const room = waitingRoom()
  const waiting = room.wait()
  await room.tick(5_000)
  expect(room.lines.filter((line) => line.includes('asked bob'))).toHaveLength(1)
  room.facts.announcedAt = room.clock.now()
  await room.tick()
  room.facts.overrideInMs = 0
  await room.tick()
  expect(room.lines.at(-1)).toContain('request web-1 --override')
  expect(room.lines).toHaveLength(4)
  room.become('active')
  await room.tick()
  expect(await waiting).toBe('active')
})

test('a sixth connection of one person is told to come back, and one that leaves makes room', async () => {
  const room = waitingRoom()
  const waiting = Array.from({ length: MAX_WAITS_PER_USER }, () => room.wait())
  await room.tick()
  expect(await room.wait()).toBe('unavailable')
  expect(await room.wait(false)).toBe('approval_pending')
  room.become('denied')
  await room.tick()
  expect(await Promise.all(waiting)).toEqual(waiting.map(() => 'denied'))
  room.become('requested')
  const again = room.wait()
  await room.tick()
  room.gone.abort()
  await room.tick()
  expect(await again).toBe('approval_pending')
})

test('the line is ASCII whatever the names in it', async () => {
  const room = waitingRoom()
  room.facts.asked = ['b\u00f6b\x1b[2J']
  const waiting = room.wait()
  await room.tick()
  room.become('lapsed')
  await room.tick()
  expect(await waiting).toBe('denied')
  for (const line of room.lines) expect(line).toMatch(/^[\x20-\x7e]*$/)
})

test.each(['user:alice', 'target:web-1', 'all'])('a lock of %s ends the waiting, terminal or not', async (scope) => {
  const room = waitingRoom()
  const waiting = room.wait()
  await room.tick()
  expect(room.lines).toHaveLength(2)
  room.locks.add({ scope, by: 'adam', at: room.clock.now(), reason: 'laptop stolen' })
  await room.tick()
  expect(await waiting).toBe('denied')
  expect(room.lines).toHaveLength(2)
  expect(await room.wait(false)).toBe('denied')
})
