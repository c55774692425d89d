// What changed, said once to everyone who watches: the page's lists and running tails listen here instead of asking.
// It is made from what the state committed, so that nothing which changes can be forgotten.

import type { Change, State, Write } from '../session/state.ts'

export type FeedEvent =
  | { readonly topic: 'sessions'; readonly id: string; readonly user: string | null; readonly what: SessionChange }
  | { readonly topic: 'grants'; readonly id: string; readonly user: string }
  | { readonly topic: 'alerts'; readonly id: string }
  /** `id`: the scope, as `user:alice`. */
  | { readonly topic: 'locks'; readonly id: string }
  /** How much of a recording was served: `id` is the session. */
  | { readonly topic: 'views'; readonly id: string }
  | { readonly topic: 'drills'; readonly id: string }
  | { readonly topic: 'revocations'; readonly id: string }

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
    locks: () => state.locks(),
    codes: (user, purpose) => state.codes(user, purpose),
    views: (sessions) => state.views(sessions),
    drillRuns: (filter) => state.drillRuns(filter),
    revocations: (filter) => state.revocations(filter),
    events: (filter) => state.events(filter),
    ledgerHead: () => state.ledgerHead(),
    leaves: (from, to) => state.leaves(from, to),
    inclusionProof: (index, size) => state.inclusionProof(index, size),
    consistencyProof: (first, size) => state.consistencyProof(first, size),
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
    case 'alert-dead':
    case 'alert-retried':
      return [{ topic: 'alerts', id: write.id }]
    case 'lock':
      return [{ topic: 'locks', id: write.lock.scope }]
    case 'unlock':
      return [{ topic: 'locks', id: write.scope }]
    case 'view':
      return [{ topic: 'views', id: write.view.session }]
    case 'drill-run':
      return [{ topic: 'drills', id: write.run.id }]
    case 'revocation-queued':
      return [{ topic: 'revocations', id: write.revocation.id }]
    case 'revocation-failed':
    case 'revocation-done':
      return [{ topic: 'revocations', id: write.id }]
    // Nobody's list: factors and secrets are looked up when they are needed.
    case 'totp-enrolled':
    case 'totp-step':
    case 'grant-secret':
    case 'grant-secret-used':
    case 'grant-secrets-ended':
    case 'grant-secret-ended':
    case 'code-issued':
    case 'code-used':
    case 'codes-ended':
    case 'setting':
      return []
  }
}
