import { expect, test } from 'vitest'
import { Feed, withFeed, type FeedEvent } from '../../src/http/feed.ts'
import type { Write } from '../../src/session/state.ts'
import { grantOf } from '../support/grant.ts'
import { MemoryState } from './memory-state.ts'

const at = Date.UTC(2026, 10, 21, 12)
const lock = { scope: 'user:alice', by: 'adam', at, reason: 'key lost' }
const run = { id: 'd1', name: 'nightly', by: 'clock', startedAt: at, endedAt: null, passed: 0, failed: 0, report: null }
const code = {
  id: 'c1',
  purpose: 'bypass',
  user: 'alice',
  hash: '00',
  by: 'bob',
  createdAt: at,
  expiresAt: at + 1,
  usedAt: null,
} as const

const cases: readonly { readonly write: Write; readonly says: readonly FeedEvent[] }[] = [
  {
    write: { kind: 'grant', grant: grantOf(at), expectVersion: null },
    says: [{ topic: 'grants', id: 'g7f3', user: 'alice' }],
  },
  { write: { kind: 'lock', lock }, says: [{ topic: 'locks', id: 'user:alice' }] },
  { write: { kind: 'unlock', scope: 'user:alice' }, says: [{ topic: 'locks', id: 'user:alice' }] },
  {
    write: { kind: 'view', view: { session: 's1', user: 'rita', at, share: 1 } },
    says: [{ topic: 'views', id: 's1' }],
  },
  { write: { kind: 'drill-run', run }, says: [{ topic: 'drills', id: 'd1' }] },
  { write: { kind: 'code-issued', code }, says: [] },
  { write: { kind: 'code-used', id: 'c1', at }, says: [] },
  { write: { kind: 'setting', name: 'x', value: 'y' }, says: [] },
]

test('a commit is told once it is durable, each write in its topic; what is secret is told to nobody', async () => {
  const feed = new Feed()
  const heard: FeedEvent[] = []
  feed.watch((event) => heard.push(event))
  const state = withFeed(new MemoryState(), feed)
  for (const { write, says } of cases) {
    heard.length = 0
    await state.commit({ at, writes: [write], leaves: [] })
    expect(heard).toEqual(says)
  }
})

test('a commit that fails is told to nobody', async () => {
  const feed = new Feed()
  const heard: FeedEvent[] = []
  feed.watch((event) => heard.push(event))
  const state = withFeed(new MemoryState(), feed)
  await expect(state.commit({ at, writes: [{ kind: 'unlock', scope: 'all' }], leaves: [] })).rejects.toMatchObject({
    code: 'conflict',
  })
  expect(heard).toEqual([])
})
