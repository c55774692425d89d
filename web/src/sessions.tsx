// Every session one may see, newest first: who, where, why, and whether it is running.

import { createEffect, createMemo, createSignal, For, on, onCleanup, onMount, Show, type JSX } from 'solid-js'
import type { Me, SessionPage as Page, SessionView } from '../../src/http/api.ts'
import { get } from './api.ts'
import { StateBadge } from './badges.tsx'
import { version } from './feed.ts'
import { clock, duration, utc, visible, when } from './format.ts'
import { Icon, type IconName } from './icons.tsx'
import { Empty, Failure, Loading } from './notes.tsx'
import { createQuery } from './query.ts'
import { go, Link } from './router.tsx'
import { learnTime, serverNow } from './server-time.ts'
import { SearchHits } from './search.tsx'
import { isTyping } from './shell.tsx'

type Shown = 'all' | 'live' | 'ended'

const choices = [
  { name: 'all', label: 'All' },
  { name: 'live', label: 'Live' },
  { name: 'ended', label: 'Ended' },
] as const satisfies readonly { name: Shown; label: string }[]

export function SessionsPage(props: { readonly me: Me }): JSX.Element {
  const [older, setOlder] = createSignal<readonly SessionView[]>([])
  const [cursor, setCursor] = createSignal<string | null>(null)
  const [isLoadingOlder, setLoadingOlder] = createSignal(false)
  // What is looked for inside recordings stands in the address, so that going back from a hit leads here again.
  const [sought, setSought] = createSignal(soughtInAddress())
  const [text, setText] = createSignal(sought())
  const seek = (words: string) => {
    setSought(words)
    history.replaceState(null, '', words === '' ? '/sessions' : `/sessions?${new URLSearchParams({ q: words })}`)
  }
  const [shown, setShown] = createSignal<Shown>('all')

  const grant = grantAsked()
  const ofGrant = grant === undefined ? '' : `grant=${grant}`
  const first = createQuery(version('sessions'), () => ask(`?${ofGrant}`))
  createEffect(
    on(first.data, (page) => {
      if (page !== undefined && older().length === 0) setCursor(page.cursor)
    }),
  )
  const loadOlder = async () => {
    const from = cursor()
    if (from === null || isLoadingOlder()) return
    setLoadingOlder(true)
    const page = await ask(`?cursor=${from}&${ofGrant}`).catch(() => undefined)
    setLoadingOlder(false)
    if (page === undefined) return
    setOlder((rows) => [...rows, ...page.sessions])
    setCursor(page.cursor)
  }

  const rows = createMemo(() => {
    const newest = first.data()?.sessions ?? []
    const ids = new Set(newest.map((session) => session.id))
    const words = text().toLowerCase().split(/\s+/).filter(Boolean)
    return [...newest, ...older().filter((session) => !ids.has(session.id))]
      .filter((session) => shown() === 'all' || (session.state === 'open') === (shown() === 'live'))
      .filter((session) => words.every((word) => haystack(session).includes(word)))
  })
  const liveCount = () => first.data()?.sessions.filter((session) => session.state === 'open').length ?? 0

  return (
    <div class="page">
      <header class="page-head">
        <h1>{grant === undefined ? 'Sessions' : `Sessions of grant ${grant}`}</h1>
        <div class="filters">
          <form
            role="search"
            onSubmit={(event) => {
              event.preventDefault()
              seek(text().trim())
            }}
          >
            <label class="search">
              <Icon name="search" />
              <span class="sr-only">Search sessions; Enter searches inside recordings</span>
              <input
                type="search"
                placeholder="user, target, reason…   /"
                maxLength={1000}
                value={text()}
                onInput={(event) => setText(event.currentTarget.value)}
              />
            </label>
          </form>
          <Show when={sought() === ''}>
            <div class="segments" role="group" aria-label="Which sessions">
              <For each={choices}>
                {(choice) => (
                  <button type="button" aria-pressed={shown() === choice.name} onClick={() => setShown(choice.name)}>
                    {choice.label}
                    <Show when={choice.name === 'live' && liveCount() > 0}>
                      <span class="count count-live">{liveCount()}</span>
                    </Show>
                  </button>
                )}
              </For>
            </div>
          </Show>
        </div>
      </header>
      <Show when={text().trim() !== '' && text().trim() !== sought()}>
        <p class="search-inside">
          <button class="button button-small" type="button" onClick={() => seek(text().trim())}>
            Search inside recordings for “{visible(text().trim())}” <kbd>Enter</kbd>
          </button>
        </p>
      </Show>
      <Show
        when={sought() === ''}
        fallback={
          <SearchHits
            text={sought()}
            onClear={() => {
              setText('')
              seek('')
            }}
          />
        }
      >
        <Show
          when={first.data()}
          fallback={
            <Show when={first.error()} fallback={<Loading what="sessions" />}>
              <Failure error={first.error()} onRetry={first.again} />
            </Show>
          }
        >
          <Show
            when={rows().length > 0}
            fallback={<None isFiltered={text() !== '' || shown() !== 'all'} me={props.me} />}
          >
            <List rows={rows()} />
            <Show when={cursor() !== null}>
              <button class="button older" type="button" disabled={isLoadingOlder()} onClick={() => void loadOlder()}>
                {isLoadingOlder() ? 'Loading…' : 'Older sessions'}
              </button>
            </Show>
          </Show>
        </Show>
      </Show>
    </div>
  )
}

function soughtInAddress(): string {
  return (new URLSearchParams(location.search).get('q') ?? '').slice(0, 1000)
}

/** The grant that the address asks for, as the report's links do. */
function grantAsked(): string | undefined {
  return /^[a-z0-9]{1,16}$/.exec(new URLSearchParams(location.search).get('grant') ?? '')?.[0]
}

async function ask(query: string): Promise<Page> {
  const page = await get<Page>(`/api/sessions${query}`)
  learnTime(page.now)
  return page
}

function haystack(session: SessionView): string {
  const { id, user, account, target, database, grant, granted } = session
  return [id, user, account, target, database, grant, granted?.reason, granted?.incident, granted?.trigger]
    .join(' ')
    .toLowerCase()
}

function None(props: { readonly isFiltered: boolean; readonly me: Me }): JSX.Element {
  return (
    <Show
      when={!props.isFiltered}
      fallback={<Empty title="No session matches">Try fewer words, or show all of them.</Empty>}
    >
      <Empty title="All quiet">
        Nobody has broken the glass yet. To try it:{' '}
        <code>
          ssh {props.me.user}+TARGET@{location.hostname}
        </code>
      </Empty>
    </Show>
  )
}

function List(props: { readonly rows: readonly SessionView[] }): JSX.Element {
  let list: HTMLDivElement | undefined
  const onKey = (event: KeyboardEvent) => {
    if ((event.key !== 'j' && event.key !== 'k') || isTyping(event.target)) return
    const links = [...(list?.querySelectorAll<HTMLElement>('.session-link') ?? [])]
    const at = links.indexOf(document.activeElement as HTMLElement)
    const next = event.key === 'j' ? at + 1 : Math.max(0, at - 1)
    links[Math.min(next, links.length - 1)]?.focus()
  }
  onMount(() => {
    document.addEventListener('keydown', onKey)
    onCleanup(() => document.removeEventListener('keydown', onKey))
  })
  return (
    <div class="session-list" role="table" aria-label="Sessions" ref={(element) => (list = element)}>
      <div class="session-row session-head" role="row">
        <span role="columnheader">State</span>
        <span role="columnheader">Who and where</span>
        <span role="columnheader">Why</span>
        <span role="columnheader">Started</span>
        <span role="columnheader">Took</span>
      </div>
      <For each={props.rows}>{(session) => <Row session={session} />}</For>
    </div>
  )
}

function Row(props: { readonly session: SessionView }): JSX.Element {
  const session = () => props.session
  const href = () => `/sessions/${session().id}`
  return (
    <div
      class="session-row"
      role="row"
      classList={{ 'is-live': session().state === 'open' }}
      onClick={(event) => {
        if (!(event.target instanceof Element) || event.target.closest('a') === null) go(href())
      }}
    >
      <span role="cell" class="cell-state">
        <StateBadge session={session()} />
      </span>
      <span role="cell" class="cell-who">
        <span class="kind" title={kindOf(session()).label}>
          <Icon name={kindOf(session()).icon} />
        </span>
        <span class="lines">
          <Link class="session-link" href={href()}>
            <strong>{session().user}</strong> <span class="arrow">→</span> {session().account}@{session().target}
          </Link>
          <small>
            {session().database === null ? subject(session()) : `${session().database} · ${subject(session())}`}
          </small>
        </span>
      </span>
      <span role="cell" class="cell-why">
        <span class="reason">{visible(session().granted?.reason ?? '')}</span>
        <small>
          {[session().granted?.incident, session().granted?.trigger, `grant ${session().grant}`]
            .filter(Boolean)
            .join(' · ')}
        </small>
      </span>
      <span role="cell" class="cell-start">
        <time dateTime={new Date(session().openedAt).toISOString()} title={utc(session().openedAt)}>
          {when(session().openedAt, serverNow())}
        </time>
      </span>
      <span role="cell" class="cell-took">
        <Show
          when={session().endedAt}
          fallback={<span class="ticking">{clock((serverNow() - session().openedAt) / 1000)}</span>}
        >
          {(endedAt) => duration(endedAt() - session().openedAt)}
        </Show>
        <Show when={session().seal}>{(seal) => <small>{seal().lines} events</small>}</Show>
      </span>
    </div>
  )
}

export function kindOf(session: Pick<SessionView, 'protocol'>): { readonly icon: IconName; readonly label: string } {
  switch (session.protocol) {
    case 'ssh':
      return { icon: 'terminal', label: 'SSH' }
    case 'postgres':
      return { icon: 'database', label: 'PostgreSQL' }
    case 'command':
      return { icon: 'command', label: 'Command' }
  }
}

/** What the session is, in a few words. */
export function subject({ what }: Pick<SessionView, 'what'>): string {
  switch (what.kind) {
    case 'shell':
      return 'shell'
    case 'exec':
      return `exec ${visible(what.command).slice(0, 80)}`
    case 'subsystem':
      return visible(what.name)
    case 'sql':
      return visible(what.application) || 'sql'
  }
}
