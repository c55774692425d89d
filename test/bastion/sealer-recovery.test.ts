import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Durable } from '../../src/bastion/durable.ts'
import { Sealer } from '../../src/bastion/sealer.ts'
import type { RecoveredSession } from '../../src/journal/recovery.ts'
import type { SessionRecord } from '../../src/session/session.ts'
import { FakeClock } from '../support/clock.ts'

const recovered = (session: string, hasLines = true): RecoveredSession => {
  return { session, lines: 2, firstSeq: 0, lastSeq: 1, hasLines, damaged: false }
}
const row = (id: string, state: SessionRecord['state']) => {
  const seal = state === 'sealed' ? { file: `2026/11/21/${id}.cast.zst` } : null
  return { id, state, seal, end: { reason: 'exited', code: null, message: 'm' } } as SessionRecord
}

test('a start lets go of lines only where a session is sealed and its proof is there', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'halligan-sealer-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const proof = join(directory, '2026/11/21/proven.proof')
  mkdirSync(dirname(proof), { recursive: true })
  writeFileSync(proof, '')
  const rows = new Map(
    [row('proven', 'sealed'), row('proofless', 'sealed'), row('stuck', 'ended')].map((one) => [one.id, one]),
  )
  const forgotten: string[] = []
  const sessions = [...[...rows.keys(), 'foreign'].map((id) => recovered(id)), recovered('reduced', false)]
  const durable = {
    state: {
      session: async (id: string) => rows.get(id),
      sessions: async ({ states = [] }: { states?: readonly string[] }) =>
        [...rows.values()].filter(({ state }) => states.includes(state)),
    },
    journal: {
      recovery: { sessions },
      failed: new Promise(() => {}),
      // The disk does not let anything be sealed today.
      lines: () => {
        throw new Error('EIO')
      },
      forget: (session: string) => forgotten.push(session),
    },
  } as unknown as Durable
  const sealer = new Sealer(durable, new FakeClock(), { recordings: directory, state: directory })
  expect(await sealer.recover()).toEqual([])
  expect(forgotten).toEqual(['proven'])
})
