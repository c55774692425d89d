// What was found inside recordings: each hit leads to its moment. Asked for with Enter, not with each key: every search is
// written down.

import { createEffect, createSignal, For, on, Show, type JSX } from 'solid-js'
import type { ExcerptPart, SearchHit, SearchPage } from '../../src/procedure/search.ts'
import { get } from './api.ts'
import { number, offset, utc, visible, when } from './format.ts'
import { Empty, Failure, Loading } from './notes.tsx'
import { createQuery } from './query.ts'
import { Link } from './router.tsx'
import { learnTime, serverNow } from './server-time.ts'

const kinds: Readonly<Record<SearchHit['kind'], string>> = {
  reason: 'reason',
  command: 'command',
  statement: 'SQL',
  error: 'error',
  typed: 'typed',
  screen: 'screen',
  notice: 'notice',
}

export function SearchHits(props: { readonly text: string; readonly onClear: () => void }): JSX.Element {
  const [older, setOlder] = createSignal<readonly SearchHit[]>([])
  const [cursor, setCursor] = createSignal<string | null>(null)
  const [isLoadingOlder, setLoadingOlder] = createSignal(false)
  const [problem, setProblem] = createSignal<unknown>()
  const first = createQuery(
    () => props.text,
    (text) => ask(text),
  )
  createEffect(
    on(first.data, (page) => {
      setOlder([])
      setProblem(undefined)
      setCursor(page?.cursor ?? null)
    }),
  )
  const loadOlder = async () => {
    const [text, from, under] = [props.text, cursor(), first.data()]
    if (from === null || isLoadingOlder()) return
    setLoadingOlder(true)
    try {
      const page = await ask(text, from)
      // Something else was asked for meanwhile.
      if (first.data() !== under) return
      setOlder((hits) => [...hits, ...page.hits])
      setCursor(page.cursor)
      setProblem(undefined)
    } catch (error) {
      setProblem(error)
    } finally {
      setLoadingOlder(false)
    }
  }

  return (
    <section class="search-hits" aria-label="Found inside recordings">
      <p class="search-head">
        <span role="status">
          <Show when={first.data()} fallback={first.error() === undefined ? 'Searching…' : ''}>
            {(page) => summary(page())}
          </Show>
        </span>
        <button class="button button-small" type="button" onClick={() => props.onClear()}>
          Back to all sessions
        </button>
      </p>
      <Show
        when={first.data()}
        fallback={
          <Show when={first.error()} fallback={<Loading what="hits" />}>
            <Failure error={first.error()} onRetry={first.again} />
          </Show>
        }
      >
        {(page) => (
          <>
            <Show when={first.error()}>{(error) => <Failure error={error()} onRetry={first.again} />}</Show>
            <Show when={page().hits.length > 0} fallback={<None page={page()} onAgain={first.again} />}>
              <ol class="hits">
                <For each={[...page().hits, ...older()]}>{(hit) => <Hit hit={hit} />}</For>
              </ol>
              <Show when={problem()}>{(error) => <Failure error={error()} onRetry={() => void loadOlder()} />}</Show>
              <Show when={cursor() !== null}>
                <button class="button older" type="button" disabled={isLoadingOlder()} onClick={() => void loadOlder()}>
                  {isLoadingOlder() ? 'Loading…' : 'Older hits'}
                </button>
              </Show>
            </Show>
          </>
        )}
      </Show>
    </section>
  )
}

async function ask(text: string, cursor?: string): Promise<SearchPage> {
  const query = new URLSearchParams({ q: text, ...(cursor === undefined ? {} : { cursor }) })
  const page = await get<SearchPage>(`/api/search?${query}`)
  learnTime(page.now)
  return page
}

function summary({ query, count, isMore, isCaughtUp }: SearchPage): string {
  if (query === null) return ''
  const late = isCaughtUp ? '' : ' · some recordings are still being indexed'
  return `${number(count)}${isMore ? '+' : ''} ${count === 1 ? 'hit' : 'hits'}, newest first${late}`
}

function None(props: { readonly page: SearchPage; readonly onAgain: () => void }): JSX.Element {
  return (
    <Show
      when={props.page.query !== null}
      fallback={
        <Empty title="Nothing to search for">
          Type words or “phrases”, and if you like <code>user:</code> <code>target:</code> <code>grant:</code>{' '}
          <code>since:2h</code> <code>until:2026-11-21</code>.
        </Empty>
      }
    >
      <Empty title="Nothing found">
        <Show
          when={props.page.isCaughtUp}
          fallback={
            <>
              Some recordings are still being indexed.{' '}
              <button class="button" type="button" onClick={() => props.onAgain()}>
                Search again
              </button>
            </>
          }
        >
          No recording that you may see holds all of it. What was typed without an echo is in no index.
        </Show>
      </Empty>
    </Show>
  )
}

function Hit(props: { readonly hit: SearchHit }): JSX.Element {
  const hit = () => props.hit
  return (
    <li class="hit">
      <Link class="session-link hit-link" href={`/sessions/${hit().session}?t=${hit().ms / 1000}`}>
        <span class="hit-who">
          <strong>{hit().user}</strong> <span class="arrow">→</span> {hit().account}@{hit().target}
        </span>
        <span class={`hit-kind hit-kind-${hit().kind}`}>{kinds[hit().kind]}</span>
        <span class="hit-text">
          <For each={hit().excerpt}>{(part) => <Part part={part} />}</For>
        </span>
        <small>
          <time dateTime={new Date(hit().at).toISOString()} title={utc(hit().at)}>
            {when(hit().at, serverNow())}
          </time>{' '}
          · at {offset(hit().ms / 1000)} · line {hit().line} of {hit().session}
        </small>
      </Link>
    </li>
  )
}

function Part(props: { readonly part: ExcerptPart }): JSX.Element {
  return (
    <Show when={props.part.isMatch} fallback={visible(props.part.text)}>
      <mark>{visible(props.part.text)}</mark>
    </Show>
  )
}
