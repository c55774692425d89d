// An SQL session as a timeline of statements, sealed or as they come.

import { createMemo, createSignal, For, Index, onCleanup, onMount, Show, type JSX } from 'solid-js'
import type { SessionView } from '../../src/http/api.ts'
import { followSession } from './live-events.ts'
import { number, offset, visible } from './format.ts'
import { momentAsked } from './moment.ts'
import { Empty, Failure, Loading } from './notes.tsx'
import type { Recorded, Recording } from './recorded.ts'
import { braceOf, StatementRow, tookMs } from './statement-row.tsx'
import { sqlSession, type SqlSession, type Statement } from './statements.ts'
import { EndNote } from './terminal-live.tsx'
import { read } from './terminal-replay.tsx'
import { throttled } from './throttled.ts'

export function SqlReplay(props: { readonly session: SessionView }): JSX.Element {
  const [recording, setRecording] = createSignal<Recording>()
  const [error, setError] = createSignal<unknown>()
  onMount(() => {
    const stop = new AbortController()
    onCleanup(() => stop.abort())
    read(props.session.id, stop.signal, () => {}).then(setRecording, (reason: unknown) => {
      if (!stop.signal.aborted) setError(reason)
    })
  })
  return (
    <Show
      when={recording()}
      fallback={
        <Show when={error()} fallback={<Loading what="recording" />}>
          <Failure error={error()} />
        </Show>
      }
    >
      {(ready) => <Timeline events={ready().events} isLive={false} moment={momentAsked()} />}
    </Show>
  )
}

export function SqlLive(props: { readonly session: SessionView }): JSX.Element {
  const live = followSession(props.session.id)
  return (
    <>
      <Timeline events={live.events()} isLive={live.state() !== 'ended'} />
      <Show when={live.state() === 'lost'}>
        <p class="offline" role="status">
          Stream lost, reconnecting…
        </p>
      </Show>
      <Show when={live.state() === 'ended' || props.session.state !== 'open'}>
        <EndNote session={props.session} />
      </Show>
    </>
  )
}

type Shown = 'all' | 'writes' | 'risky' | 'errors' | 'slow'

const choices = [
  { name: 'all', label: 'All' },
  { name: 'writes', label: 'Writes' },
  { name: 'risky', label: 'Risky' },
  { name: 'errors', label: 'Errors' },
  { name: 'slow', label: 'Slow' },
] as const satisfies readonly { name: Shown; label: string }[]

/** From here on (ms) a statement counts as slow. */
const SLOW_MS = 500

function Timeline(props: {
  readonly events: readonly Recorded[]
  readonly isLive: boolean
  /** Seconds: what was asked last by then is shown first. */
  readonly moment?: number | undefined
}): JSX.Element {
  const [shown, setShown] = createSignal<Shown>('all')
  const [text, setText] = createSignal('')
  const events = throttled(() => props.events)
  const session = createMemo(() => sqlSession(events()))
  const rows = createMemo(() => {
    const words = text().toLowerCase().split(/\s+/).filter(Boolean)
    return session().statements.filter(
      (statement) => isShown(statement, shown()) && words.every((word) => statement.sql.toLowerCase().includes(word)),
    )
  })
  onMount(() => {
    const { moment } = props
    if (moment === undefined) return
    // Rounded to ms on the way here.
    const asked = session().statements.findLast((statement) => statement.at <= moment + 0.001)
    const row = asked && document.getElementById(`q${asked.id}`)
    row?.classList.add('is-asked')
    row?.scrollIntoView({ block: 'center' })
  })
  const slowest = createMemo(() => Math.max(1, ...session().statements.map(tookMs)))
  return (
    <section class="sql-view" aria-label="Statements">
      <div class="sql-head">
        <Summary session={session()} />
        <div class="filters">
          <label class="search">
            <span class="sr-only">Search statements</span>
            <input
              type="search"
              placeholder="search SQL…   /"
              value={text()}
              onInput={(event) => setText(event.currentTarget.value)}
            />
          </label>
          <div class="segments" role="group" aria-label="Which statements">
            <For each={choices}>
              {(choice) => (
                <button type="button" aria-pressed={shown() === choice.name} onClick={() => setShown(choice.name)}>
                  {choice.label}
                </button>
              )}
            </For>
          </div>
        </div>
      </div>
      <Show
        when={rows().length > 0}
        fallback={<NoStatements isLive={props.isLive} total={session().statements.length} />}
      >
        <ol class="statements">
          <Index each={rows()}>
            {(statement, index) => (
              <StatementRow
                statement={statement()}
                slowestMs={slowest()}
                brace={braceOf(rows()[index - 1], statement(), rows()[index + 1])}
              />
            )}
          </Index>
        </ol>
      </Show>
      <Show when={session().notices.length > 0}>
        <Notices session={session()} />
      </Show>
    </section>
  )
}

function isShown(statement: Statement, shown: Shown): boolean {
  switch (shown) {
    case 'all':
      return true
    case 'writes':
      return /^\s*(insert|update|delete|merge|truncate|copy|create|alter|drop|grant|revoke|with)\b/i.test(statement.sql)
    case 'risky':
      return statement.risky !== undefined
    case 'errors':
      return statement.state === 'failed'
    case 'slow':
      return tookMs(statement) >= SLOW_MS
  }
}

function NoStatements(props: { readonly isLive: boolean; readonly total: number }): JSX.Element {
  return (
    <Show when={props.total === 0} fallback={<Empty title="No statement matches">Try another filter.</Empty>}>
      <Empty title={props.isLive ? 'Connected, nothing asked yet' : 'No statement was sent'}>
        <Show when={props.isLive}>Statements appear here as they are sent.</Show>
      </Empty>
    </Show>
  )
}

function Summary(props: { readonly session: SqlSession }): JSX.Element {
  const count = (state: Statement['state']) =>
    props.session.statements.filter((statement) => statement.state === state).length
  const risky = () => props.session.statements.filter((statement) => statement.risky !== undefined).length
  const rows = () =>
    props.session.statements.reduce(
      (sum, { outcomes }) => sum + outcomes.reduce((n, outcome) => n + outcome.rows, 0),
      0,
    )
  return (
    <p class="sql-summary">
      <strong>{number(props.session.statements.length)}</strong> statements
      <span class="sep" /> <strong>{number(rows())}</strong> rows
      <Show when={count('failed') > 0}>
        <span class="sep" /> <strong class="bad">{number(count('failed'))}</strong> failed
      </Show>
      <Show when={risky() > 0}>
        <span class="sep" /> <strong class="risky">{number(risky())}</strong> risky
      </Show>
      <Show when={count('running') > 0}>
        <span class="sep" /> <strong class="live">{number(count('running'))}</strong> running
      </Show>
    </p>
  )
}

function Notices(props: { readonly session: SqlSession }): JSX.Element {
  return (
    <section class="notices">
      <h2>Notices</h2>
      <ol>
        <For each={props.session.notices}>
          {(notice) => (
            <li classList={{ 'is-bad': notice.isError }}>
              <time>{offset(notice.at)}</time> {visible(notice.text)}
            </li>
          )}
        </For>
      </ol>
    </section>
  )
}
