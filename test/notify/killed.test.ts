import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { decodeLeaf } from '../../src/audit.ts'
import { systemClock } from '../../src/clock.ts'
import type { State } from '../../src/session/state.ts'
import { openState } from '../../src/store/state.ts'
import { alertOf } from './alerts.ts'
import { Receiver } from './receiver.ts'

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const count = 12

let directory: string
let receiver: Receiver
let url: string
let child: ChildProcess | undefined
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'halligan-killed-'))
  receiver = new Receiver()
  url = await receiver.start()
})
afterEach(async () => {
  child?.kill('SIGKILL')
  await receiver.stop()
  rmSync(directory, { recursive: true, force: true })
})

const file = () => join(directory, 'state.db')
const open = (): Promise<State> =>
  openState({ file: file(), clock: systemClock(), keyEncryptionKey: Buffer.alloc(32, 1), ballastBytes: 0 })

/** A process that delivers; resolves with how it ended. */
async function deliver(): Promise<NodeJS.Signals | number | null> {
  const started = spawn(process.execPath, [join(import.meta.dirname, 'delivering-child.ts'), file(), url, secret], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  child = started
  await once(started, 'close')
  return started.signalCode ?? started.exitCode
}

test(
  'kill -9 between delivery and commit: no alert is lost, and what comes twice is the same',
  { timeout: 120_000 },
  async () => {
    const state = await open()
    const alerts = Array.from({ length: count }, (_, n) => ({ ...alertOf({ n }), id: `a${n}`, channel: 'hook' }))
    await state.commit({ at: Date.now(), writes: [], leaves: [], alerts })
    await state.close()
    // Killed by the receiver itself: having taken a message and not said so, and having said so.
    const moments = ['taken', 'answered', 'taken', 'answered'] as const
    for (const [round, moment] of moments.entries()) {
      const last = receiver.received.length + 1 + round
      receiver.answer((response, nth) => {
        if (nth < last) return void response.end('ok')
        if (moment === 'taken') return void child?.kill('SIGKILL')
        return void response.end('ok', () => child?.kill('SIGKILL'))
      })
      expect(await deliver()).toBe('SIGKILL')
    }
    receiver.answer((response) => response.end('ok'))
    expect(await deliver()).toBe(0)
    const bodies = new Map<string, Set<string>>()
    for (const { headers, body } of receiver.received) {
      const id = String(headers['webhook-id'])
      bodies.set(id, (bodies.get(id) ?? new Set()).add(String(body)))
    }
    expect([...bodies.keys()].sort()).toEqual(alerts.map(({ id }) => id).sort())
    expect([...bodies.values()].every(({ size }) => size === 1)).toBe(true)
    // At least the messages that were taken and not acknowledged came again.
    expect(receiver.received.length).toBeGreaterThan(count)
    const after = await open()
    const { size } = await after.ledgerHead()
    const accepted = (await after.leaves(0, size)).map(decodeLeaf).filter(({ type }) => type === 'alert-accepted')
    expect(accepted.map((leaf) => (leaf.type === 'alert-accepted' ? leaf.alert : '')).sort()).toEqual(
      alerts.map(({ id }) => id).sort(),
    )
    await after.close()
  },
)
