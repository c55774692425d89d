// The thief's story (P2): at time t somebody copies every file, the key of the ledger and the key of the epoch that runs.
// He then tells an earlier session otherwise, and everything that speaks of it: file, seal, proof, ledger, checkpoint,
// journal, epochs. What he has not is the keys of the epochs before t, and what was kept outside.
import { expect, test } from 'vitest'
import { privateKeyFromSeed, rawPublicKey } from '../../src/ledger/ed25519.ts'
import { verifyAll } from '../../src/recording/verify-all.ts'
import { verifyFile } from '../../src/recording/verify-file.ts'
import type { VerifyReport } from '../../src/recording/finding.ts'
import { epochKey, type EpochKeys, Installation, ownKeys } from './installation.ts'
import { sessionLines } from './sealed.ts'

const told = sessionLines(12)
const lie = told.with(5, Buffer.from('[0.25,"o","nothing happened here"]'))

/** Each session is sealed under an epoch of its own: s0 under epoch 0 … */
const sessions = ['s0', 's1', 's2'] as const
/** The epoch that runs at the theft. */
const runs = sessions.length

interface History {
  readonly all: Installation
  /** What the owner keeps outside, from after the first session's seal and from the last before the theft. */
  readonly kept: readonly string[]
}

/** All that was written up to t: the truth, or a thief's version with other lines of `rewritten`, under his keys. */
async function history(rewritten?: (typeof sessions)[number], keys: EpochKeys = ownKeys): Promise<History> {
  const all = new Installation(keys)
  const kept: string[] = []
  for (const session of sessions) {
    const lines = session === rewritten ? lie : told
    all.grant(`g-${session}`)
    all.record(session, `g-${session}`, lines)
    if (session === 's1') all.openSegment()
    await all.seal(session, lines)
    kept.push(all.checkpoint)
  }
  return { all, kept }
}

const stolen = epochKey(runs)
const stolenPublic = rawPublicKey(stolen)
const own = privateKeyFromSeed(Buffer.alloc(32, 150))
const ownPublic = rawPublicKey(own)

/** How a thief signs the epochs from `first` on; before it stand the true records, of which he has copies. */
const ways: readonly { readonly name: string; readonly keys: (first: number) => EpochKeys }[] = [
  {
    name: 'each record signed with the stolen key',
    keys: (first) => ({ ...ownKeys, sign: (epoch) => (epoch < first ? epochKey(epoch) : stolen) }),
  },
  {
    name: 'the stolen key named in advance',
    keys: (first) => ({
      ...ownKeys,
      sign: (epoch) => (epoch < first ? epochKey(epoch) : stolen),
      next: (epoch) => (epoch < first ? ownKeys.next(epoch) : stolenPublic),
    }),
  },
  {
    name: 'a journal that begins with the stolen key',
    keys: () => ({ genesis: stolenPublic, sign: () => stolen, next: () => stolenPublic }),
  },
  {
    name: 'a journal that begins with a key of his own',
    keys: () => ({ genesis: ownPublic, sign: () => own, next: () => ownPublic }),
  },
  {
    name: 'the records left out up to the last, which the stolen key signs',
    keys: (first) => ({
      ...ownKeys,
      sign: (epoch) => (epoch < first ? epochKey(epoch) : epoch === runs - 1 ? stolen : undefined),
    }),
  },
]

async function verify(all: Installation, checkpoint?: string): Promise<VerifyReport> {
  // The owner's pinned key, whatever the thief's files say.
  return await verifyAll(all.snapshot(), { key: truth.key, checkpoint })
}

const truth = new Installation()
const stateOf = ({ recordings }: VerifyReport, session: string) =>
  recordings.find((recording) => recording.session === session)?.state

test('the truth is proven against the pinned key and what was kept', async () => {
  const { all, kept } = await history()
  expect((await verify(all, kept.at(-1))).exitCode).toBe(0)
})

for (const { name, keys } of ways)
  for (const [at, session] of sessions.entries())
    test(`${session} rewritten before the theft, ${name}: found by the pinned key alone, and by any checkpoint kept`, async () => {
      const { kept } = await history()
      const { all } = await history(session, keys(at))
      expect((await verify(all)).exitCode).toBe(1)
      for (const checkpoint of kept) expect((await verify(all, checkpoint)).exitCode).toBe(1)
    })

for (const [at, session] of sessions.entries())
  test(`${session} rewritten before the theft, without any epoch record behind it: found by a checkpoint kept since, and proven to nobody`, async () => {
    const { kept } = await history()
    const { all } = await history(session, { ...ownKeys, sign: (epoch) => (epoch < at ? epochKey(epoch) : undefined) })
    for (const checkpoint of kept.slice(at)) expect((await verify(all, checkpoint)).exitCode).toBe(1)
    const alone = await verify(all)
    expect(alone.exitCode).toBe(2)
    expect(stateOf(alone, session)).toBe('self-consistent')
  })

for (const session of sessions)
  test(`${session} rewritten before the theft in ledger and files alone, the journal left as it was: found`, async () => {
    const [{ all, kept }, forged] = [await history(), await history(session)]
    forged.all.segments.splice(0, Infinity, ...all.segments)
    expect((await verify(forged.all)).exitCode).toBe(1)
    expect((await verify(forged.all, kept.at(-1))).exitCode).toBe(1)
  })

test('not found: a rewritten recording that is looked at alone, for its proof is signed with the stolen key of the ledger', async () => {
  const { kept } = await history()
  const { all } = await history('s1')
  const stored = all.open('2026/11/21/s1.cast.zst')
  expect((await verifyFile(stored, { key: truth.key })).exitCode).toBe(0)
  // A checkpoint of another size leaves it open, one of the same size, or the rows between, tell.
  expect((await verifyFile(stored, { key: truth.key, checkpoint: kept.at(-1) })).exitCode).toBe(2)
  expect((await verifyFile(stored, { key: truth.key, checkpoint: kept[1] })).exitCode).toBe(1)
  const { ledger } = all.snapshot()
  expect((await verifyFile(stored, { key: truth.key, checkpoint: kept.at(-1), ledger })).exitCode).toBe(1)
})

test('not found: what the thief writes after the theft, with the keys he has', async () => {
  const { all, kept } = await history()
  all.grant('g-never')
  all.record('never', 'g-never', lie)
  await all.seal('never', lie)
  expect((await verify(all, all.checkpoint)).exitCode).toBe(0)
  // To who kept a checkpoint from before, all that is new stays unproven.
  expect((await verify(all, kept.at(-1))).exitCode).toBe(2)
})

test('not found: lines of an open session that no epoch record covered yet at the theft', async () => {
  const open = async (lines: readonly Buffer[]) => {
    const { all } = await history()
    all.grant('g-open')
    all.record('open', 'g-open', lines)
    // Before this record he had its key.
    all.epoch()
    all.sign()
    return all
  }
  for (const lines of [told, lie]) {
    const all = await open(lines)
    expect((await verify(all, all.checkpoint)).findings).toEqual([])
  }
})
