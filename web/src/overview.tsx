// The page everyone lands on: what is open, what waits, what is late, and whether it was rehearsed. Each figure leads to
// the page that says more.

import { createSignal, For, onCleanup, Show, type JSX } from 'solid-js'
import type { LedgerView, Me, OverviewView, SessionPage } from '../../src/http/api.ts'
import { get } from './api.ts'
import { version } from './feed.ts'
import { duration, number, utc, visible, when } from './format.ts'
import { Icon, type IconName } from './icons.tsx'
import { Failure, Loading } from './notes.tsx'
import { createQuery } from './query.ts'
import { Link } from './router.tsx'
import { learnTime, serverNow } from './server-time.ts'
import { subject } from './sessions.tsx'

/** Running sessions shown by name; the list has them all. */
const SHOWN = 8
/** How often it is asked what is kept outside. */
const LOOK_MS = 10_000
/** Beyond its interval a checkpoint may be this late before it is marked. */
const GRACE_MS = 15_000

export function OverviewPage(props: { readonly me: Me }): JSX.Element {
  const topics = ['sessions', 'grants', 'alerts', 'locks', 'drills'] as const
  const overview = createQuery(
    () => topics.map((topic) => version(topic)()).join(' '),
    async () => {
      const view = await get<OverviewView>('/api/overview')
      learnTime(view.now)
      return view
    },
  )
  return (
    <div class="page overview">
      <header class="page-head">
        <h1>Overview</h1>
      </header>
      <Show
        when={overview.data()}
        fallback={
          <Show when={overview.error()} fallback={<Loading what="the overview" />}>
            <Failure error={overview.error()} onRetry={overview.again} />
          </Show>
        }
      >
        {(view) => (
          <>
            <Tiles view={view()} />
            <Running all={view().seesAll} />
            <Anchored />
            <Show when={view().drill}>{(drill) => <Rehearsed drill={drill()} />}</Show>
            <Show when={view().readiness}>{(ready) => <Ready readiness={ready()} />}</Show>
            <Show when={!view().seesAll}>
              <p class="muted">You see what is yours, {props.me.user}.</p>
            </Show>
          </>
        )}
      </Show>
    </div>
  )
}

function Tiles(props: { readonly view: OverviewView }): JSX.Element {
  const view = () => props.view
  const overdue = () => view().reviews.overdue
  return (
    <ul class="tiles" aria-label="How it stands">
      <Tile
        href="/sessions"
        icon="sessions"
        count={view().liveSessions}
        what={view().liveSessions === 1 ? 'live session' : 'live sessions'}
        tone={view().liveSessions > 0 ? 'live' : undefined}
      />
      <Tile
        href="/grants"
        icon="grants"
        count={view().liveGrants}
        what={view().liveGrants === 1 ? 'live grant' : 'live grants'}
        tone={view().liveGrants > 0 ? 'bad' : undefined}
      />
      <Tile
        href="/access"
        icon="access"
        count={view().waitingRequests}
        what={view().waitingRequests === 1 ? 'request waits' : 'requests wait'}
        tone={view().waitingRequests > 0 ? 'warn' : undefined}
      />
      <Tile
        href="/reviews"
        icon="review"
        count={view().reviews.due}
        what={view().reviews.due === 1 ? 'review to do' : 'reviews to do'}
        note={overdue() > 0 ? `${overdue()} overdue` : undefined}
        tone={overdue() > 0 ? 'bad' : undefined}
      />
      <Show when={view().alerts}>
        {(alerts) => (
          <Tile
            href="/alerts"
            icon="bell"
            count={alerts().undelivered + alerts().dead}
            what={alerts().undelivered + alerts().dead === 1 ? 'alert undelivered' : 'alerts undelivered'}
            note={alerts().dead > 0 ? `${alerts().dead} given up` : undefined}
            tone={alerts().undelivered + alerts().dead > 0 ? 'bad' : undefined}
          />
        )}
      </Show>
      <Show when={view().locks.length > 0}>
        <Tile
          href="/grants"
          icon="warning"
          count={view().locks.length}
          what={view().locks.length === 1 ? 'lock' : 'locks'}
          note={view()
            .locks.map(({ scope }) => (scope === 'all' ? 'everything' : visible(scope.replace(':', ' '))))
            .slice(0, 3)
            .join(', ')}
          tone="bad"
        />
      </Show>
    </ul>
  )
}

function Tile(props: {
  readonly href: string
  readonly icon: IconName
  readonly count: number
  readonly what: string
  readonly note?: string | undefined
  readonly tone?: 'live' | 'warn' | 'bad' | undefined
}): JSX.Element {
  return (
    <li>
      <Link
        class="tile"
        classList={{
          'is-live': props.tone === 'live',
          'is-warn': props.tone === 'warn',
          'is-bad': props.tone === 'bad',
        }}
        href={props.href}
      >
        <Icon name={props.icon} />
        <strong>{number(props.count)}</strong>
        <span>{props.what}</span>
        <Show when={props.note}>{(note) => <small>{note()}</small>}</Show>
      </Link>
    </li>
  )
}

function Running(props: { readonly all: boolean }): JSX.Element {
  const page = createQuery(version('sessions'), () => get<SessionPage>(`/api/sessions?state=open&limit=${SHOWN}`))
  return (
    <section class="card" aria-labelledby="running">
      <h2 id="running">Running now</h2>
      <Show when={page.error()}>
        <Failure error={page.error()} onRetry={page.again} />
      </Show>
      <Show
        when={(page.data()?.sessions.length ?? 0) > 0}
        fallback={<p class="muted">{props.all ? 'Nobody is inside.' : 'None of your sessions is open.'}</p>}
      >
        <ul class="running">
          <For each={page.data()?.sessions}>
            {(session) => (
              <li>
                <span class="dot" aria-hidden="true" />
                <Link class="session-link" href={`/sessions/${session.id}`}>
                  <strong>{session.user}</strong> <span class="arrow">→</span> {session.account}@{session.target}
                </Link>
                <small class="muted">
                  {subject(session)} · since {when(session.openedAt, serverNow())}
                </small>
              </li>
            )}
          </For>
        </ul>
      </Show>
      <Link href="/sessions">All sessions</Link>
    </section>
  )
}

/** How far the ledger is kept outside: within the window a tail that was cut off reads like a crash. */
function Anchored(): JSX.Element {
  const [look, setLook] = createSignal(0)
  const timer = setInterval(() => setLook((n) => n + 1), LOOK_MS)
  onCleanup(() => clearInterval(timer))
  const ledger = createQuery(look, () => get<LedgerView>('/api/ledger/head'))
  const anchored = () => ledger.data()?.anchored
  const isLate = () => {
    const { windowMs, promisedMs } = anchored() ?? { windowMs: null, promisedMs: null }
    // The receiver has some seconds to answer.
    return promisedMs !== null && (windowMs === null || windowMs > promisedMs + GRACE_MS)
  }
  return (
    <section class="card" aria-labelledby="anchored">
      <h2 id="anchored">Kept outside</h2>
      <Show when={ledger.error()}>
        <Failure error={ledger.error()} onRetry={ledger.again} />
      </Show>
      <Show when={anchored()} fallback={ledger.error() === undefined ? <Loading what="the anchors" /> : null}>
        {(status) => (
          <>
            <p classList={{ 'is-bad': isLate() }}>{windowText(status())}</p>
            <ul class="troubled">
              <For each={status().places}>
                {(place) => (
                  <li classList={{ 'is-bad': place.error !== null || place.isContradicted }}>
                    <strong>{visible(place.name)}</strong>{' '}
                    <Show when={place.newest} fallback="has no checkpoint yet">
                      {(newest) => (
                        <>
                          has {number(newest().size)} leaves,{' '}
                          <time title={utc(newest().at)}>{when(newest().at, serverNow())}</time>
                        </>
                      )}
                    </Show>
                    {place.outside ? '' : ', on this machine'}
                    {place.error === null ? '' : `; fails: ${visible(place.error)}`}
                    {place.isContradicted ? '; held a checkpoint that is not of this ledger' : ''}
                  </li>
                )}
              </For>
            </ul>
          </>
        )}
      </Show>
    </section>
  )
}

function windowText({ promisedMs, windowMs }: LedgerView['anchored']): string {
  if (promisedMs === null)
    return 'No place outside keeps checkpoints: whoever has this machine can cut off what happened last, unseen.'
  if (windowMs === null) return 'No place outside has taken a checkpoint yet.'
  if (windowMs === 0) return 'Everything up to now is kept outside.'
  return `Everything is kept outside but the last ${duration(windowMs)}; it should be ${duration(promisedMs)} at most.`
}

function Rehearsed(props: { readonly drill: NonNullable<OverviewView['drill']> }): JSX.Element {
  const last = () => props.drill.last
  return (
    <section class="card" aria-labelledby="rehearsed">
      <h2 id="rehearsed">Last drill</h2>
      <Show when={last()} fallback={<p>Nothing has been rehearsed yet: nobody knows whether the glass breaks.</p>}>
        {(run) => (
          <p class="drill-last">
            <DrillBadge outcome={run().outcome} />
            <Link href={`/drills/${run().id}`}>
              {visible(run().name)}, <time title={utc(run().startedAt)}>{when(run().startedAt, serverNow())}</time>
            </Link>
            <span class="muted">
              {run().passed} passed, {run().failed} failed
            </span>
          </p>
        )}
      </Show>
      <For each={props.drill.missed}>
        {({ name, dueAt }) => (
          <p class="is-bad">
            <Icon name="warning" /> Drill {visible(name)} was due {when(dueAt, serverNow())} and has not been run.
          </p>
        )}
      </For>
      <Link href="/drills">All drills</Link>
    </section>
  )
}

/** Green, red or on its way: in a word, not in colour alone. */
export function DrillBadge(props: { readonly outcome: 'running' | 'passed' | 'failed' }): JSX.Element {
  const words = { running: 'Running', passed: 'Green', failed: 'Red' } as const
  return (
    <span
      class="badge"
      classList={{
        'badge-live': props.outcome === 'passed',
        'badge-bad': props.outcome === 'failed',
        'badge-warn': props.outcome === 'running',
      }}
    >
      {words[props.outcome]}
    </span>
  )
}

/** Who could break the glass tonight, and what keeps the others from it. */
export function Ready(props: { readonly readiness: NonNullable<OverviewView['readiness']> }): JSX.Element {
  const troubled = () => props.readiness.people.filter(({ isReady, isStale }) => !isReady || isStale)
  return (
    <section class="card" aria-labelledby="readiness">
      <h2 id="readiness">Readiness</h2>
      <p classList={{ 'is-bad': props.readiness.ready === 0 }}>
        <strong>
          {props.readiness.ready} {props.readiness.ready === 1 ? 'person' : 'people'}
        </strong>{' '}
        can break the glass tonight <span class="muted">of {props.readiness.people.length} whom a policy names</span>
      </p>
      <ul class="troubled">
        <For each={troubled()}>
          {({ user, missing, isStale, lastUsedAt }) => (
            <li>
              <strong>{user}</strong>{' '}
              {[
                ...missing.map((what) => (what === 'lock' ? 'locked' : `no ${what}`)),
                ...(isStale
                  ? [lastUsedAt === null ? 'second factor never used' : `second factor last used ${day(lastUsedAt)}`]
                  : []),
              ].join(', ')}
            </li>
          )}
        </For>
      </ul>
    </section>
  )
}

function day(at: number): string {
  return utc(at).slice(0, 10)
}
