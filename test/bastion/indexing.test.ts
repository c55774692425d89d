import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { SearchRecording } from '../../src/archive/search-index.ts'
import { Indexing, type IndexPort } from '../../src/bastion/indexing.ts'
import { HalliganError } from '../../src/errors.ts'
import type { SessionRecord } from '../../src/session/session.ts'
import { SearchWorld, shown } from '../archive/search-world.ts'
import { FakeClock } from '../support/clock.ts'

/** The sealed sessions of a state, and how often it was asked for them. */
class Sealed {
  readonly rows: SessionRecord[] = []
  asked = 0
  isFailing = false

  add(recording: SearchRecording): void {
    const row = { ...recording, id: recording.session, state: 'sealed' } as unknown as SessionRecord
    this.rows.unshift(row)
  }

  async session(id: string): Promise<SessionRecord | undefined> {
    return this.rows.find((row) => row.id === id)
  }

  async sessions({
    after,
    limit = 100,
  }: {
    readonly after?: string
    readonly limit?: number
  }): Promise<SessionRecord[]> {
    this.asked += 1
    if (this.isFailing) throw new HalliganError('store_failed', 'no state')
    const from = after === undefined ? 0 : this.rows.findIndex((row) => row.id === after) + 1
    return this.rows.slice(from, from + limit)
  }
}

test('what was sealed before is taken in at start, and afterwards what is sealed, each once', async () => {
  await using world = new SearchWorld()
  const sealed = new Sealed()
  for (let n = 0; n < 5; n++) sealed.add(await world.seal({ id: `s${n}`, lines: [[1, shown('needle\r\n')]] }))
  const indexing = new Indexing(new FakeClock(), sealed, world.index)
  expect(indexing.isCaughtUp).toBe(false)
  indexing.lookAtAll()
  await indexing.settled()
  expect(indexing.isCaughtUp).toBe(true)
  expect((await world.find('needle')).count).toBe(5)
  const asked = sealed.asked
  sealed.add(await world.seal({ id: 's9', lines: [[1, shown('needle\r\n')]] }))
  indexing.sealed('s9')
  indexing.sealed('s9')
  indexing.sealed('snever')
  await indexing.settled()
  expect((await world.find('needle')).count).toBe(6)
  expect(sealed.asked).toBe(asked)
})

test('a recording that does not verify is left out and keeps no other from being found', async () => {
  await using world = new SearchWorld()
  const sealed = new Sealed()
  for (let n = 0; n < 3; n++) {
    const recording = await world.seal({ id: `s${n}`, lines: [[1, shown('needle\r\n')]] })
    sealed.add(recording)
    if (n !== 1) continue
    const path = join(world.recordings, recording.seal.file)
    const bytes = readFileSync(path)
    chmodSync(path, 0o600)
    writeFileSync(path, bytes.subarray(0, bytes.length - 1))
  }
  const indexing = new Indexing(new FakeClock(), sealed, world.index)
  indexing.lookAtAll()
  await indexing.settled()
  expect((await world.find('needle')).matches.map((match) => match.session).toSorted()).toEqual(['s0', 's2'])
  expect(indexing.isCaughtUp).toBe(true)
})

test('an index that is lost while it is used is filled again by itself', async () => {
  await using world = new SearchWorld()
  const sealed = new Sealed()
  for (let n = 0; n < 3; n++) sealed.add(await world.seal({ id: `s${n}`, lines: [[1, shown('needle\r\n')]] }))
  const first = new Indexing(new FakeClock(), sealed, world.index)
  first.lookAtAll()
  await first.settled()
  await world.reopen(() => rmSync(world.file))
  const indexing = new Indexing(new FakeClock(), sealed, world.index)
  indexing.lookAtAll()
  await indexing.settled()
  expect((await world.find('needle')).count).toBe(3)
})

test('when the state cannot be asked it is tried again later, and closing ends it all', async () => {
  await using world = new SearchWorld()
  const clock = new FakeClock()
  const sealed = new Sealed()
  sealed.add(await world.seal({ id: 's1', lines: [[1, shown('needle\r\n')]] }))
  sealed.isFailing = true
  const indexing = new Indexing(clock, sealed, world.index)
  indexing.lookAtAll()
  await indexing.settled()
  expect(indexing.isCaughtUp).toBe(false)
  sealed.isFailing = false
  clock.advance(60_000)
  await indexing.settled()
  expect(indexing.isCaughtUp).toBe(true)
  expect((await world.find('needle')).count).toBe(1)
  indexing.lookAtAll()
  await indexing.close()
  indexing.sealed('s1')
  await expect(world.find('needle')).rejects.toMatchObject({ code: 'unavailable' })
})

test('a recording over which the worker ends twice keeps no other from being taken in', async () => {
  await using world = new SearchWorld()
  const clock = new FakeClock()
  const sealed = new Sealed()
  for (const id of ['s1', 's2', 's3']) sealed.add(await world.seal({ id, lines: [[1, shown('needle\r\n')]] }))
  const taken: string[] = []
  const index: IndexPort = {
    losses: 0,
    onRenewed: () => undefined,
    missing: async (recordings) => new Set(recordings.map(({ session }) => session)),
    find: async () => ({ matches: [], count: 0, isMore: false }),
    close: async () => undefined,
    index: async ({ session }) => {
      if (session === 's3') {
        index.losses += 1
        throw new HalliganError('unavailable', 'the worker ended')
      }
      taken.push(session)
      return { kind: 'indexed', entries: 1, isCut: false }
    },
  }
  const indexing = new Indexing(clock, sealed, index)
  indexing.lookAtAll()
  for (let minute = 0; minute < 3; minute++) {
    await indexing.settled()
    clock.advance(60_000)
  }
  await indexing.settled()
  expect(taken).toEqual(['s2', 's1'])
  expect(index.losses).toBe(2)
})
