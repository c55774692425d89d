// What changed, said once to everyone who watches: the page's lists and running tails listen here instead of asking.
// It is made from what the state committed, so that nothing which changes can be forgotten.

import type { Change, State, Write } from '../session/state.ts'

export type FeedEvent =
  | { readonly topic: 'sessions'; readonly id: string; readonly user: string | null; readonly what: SessionChange }
  | { readonly topic: 'grants'; readonly id: string; readonly user: string }
  | { readonly topic: 'alerts'; readonly id: string }

export type SessionChange = 'opened' | 'ended' | 'sealed'

/** Fan-out of committed changes. Publishing never blocks; a listener must not throw. */
export class Feed {
  readonly #listeners = new Set<(event: FeedEvent) => void>()

  publish(event: FeedEvent): void {
    for (const listener of this.#listeners) listener(event)
  }

  /** Calls `listener` for every change from now on; the returned function ends it. */
  watch(listener: (event: FeedEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

/** The same state, whose commits are told to `feed` once they are durable. */
export function withFeed(state: State, feed: Feed): State {
  return {
    commit: async (change) => {
      const head = await state.commit(change)
      for (const event of eventsOf(change)) feed.publish(event)
      return head
    },
    grant: (id) => state.grant(id),
    grants: (filter) => state.grants(filter),
    session: (id) => state.session(id),
    sessions: (filter) => state.sessions(filter),
    totp: (user) => state.totp(user),
    grantSecrets: (grant) => state.grantSecrets(grant),
    outboxDue: (now, limit) => state.outboxDue(now, limit),
    alerts: (filter) => state.alerts(filter),
    ledgerHead: () => state.ledgerHead(),
    leaves: (from, to) => state.leaves(from, to),
    leafHashes: (from, to) => state.leafHashes(from, to),
    setting: (name) => state.setting(name),
    close: () => state.close(),
  }
}

function eventsOf(change: Change): FeedEvent[] {
  const alerts = (change.alerts ?? []).map((alert): FeedEvent => ({ topic: 'alerts', id: alert.id }))
  return [...change.writes.flatMap(eventOf), ...alerts]
}

function eventOf(write: Write): FeedEvent[] {
  switch (write.kind) {
    case 'session-open':
      return [{ topic: 'sessions', id: write.session.id, user: write.session.user, what: 'opened' }]
    case 'session-ended':
      return [{ topic: 'sessions', id: write.id, user: null, what: 'ended' }]
    case 'session-sealed':
      return [{ topic: 'sessions', id: write.id, user: null, what: 'sealed' }]
    case 'grant':
      return [{ topic: 'grants', id: write.grant.id, user: write.grant.user }]
    case 'alert-accepted':
    case 'alert-failed':
      return [{ topic: 'alerts', id: write.id }]
    default:
      return []
  }
}
