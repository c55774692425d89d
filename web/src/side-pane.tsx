// Beside the terminal: what was typed, and the facts of the session. In a replay it follows the playhead, and a click
// finds the moment.

import { createEffect, createMemo, createSignal, For, Index, Match, on, Show, Switch, type JSX } from 'solid-js'
import type { SessionView } from '../../src/http/api.ts'
import { post } from './api.ts'
import { factsOf, type SessionFact } from './facts.ts'
import { offset, visible } from './format.ts'
import { Icon } from './icons.tsx'
import { typedLines, type Stroke, type TypedLine } from './keystrokes.ts'
import type { Recorded } from './recorded.ts'
import { throttled } from './throttled.ts'

type Tab = 'keystrokes' | 'facts'

export function SidePane(props: {
  readonly session: SessionView
  readonly events: readonly Recorded[]
  /** Playhead in seconds; absent for a live session. */
  readonly at?: number
  readonly onSeek?: (toS: number) => void
}): JSX.Element {
  const [tab, setTab] = createSignal<Tab>('keystrokes')
  const [isRevealed, setRevealed] = createSignal(false)
  const events = throttled(() => props.events)
  const typed = createMemo(() => typedLines(events()))
  const facts = createMemo(() => factsOf(events()))
  const nowTyped = createMemo(() => currentOf(typed(), props.at))
  const nowFact = createMemo(() => currentOf(facts(), props.at))
  const hasHidden = () => typed().some((line) => line.strokes.some(isHidden))
  const reveal = async () => {
    await post(`/api/sessions/${props.session.id}/reveal`, {})
    setRevealed(true)
  }

  return (
    <aside class="side-pane" aria-label="What was typed and what happened">
      <div class="tabs" role="tablist">
        <button type="button" role="tab" aria-selected={tab() === 'keystrokes'} onClick={() => setTab('keystrokes')}>
          Keystrokes <span class="count">{typed().length}</span>
        </button>
        <button type="button" role="tab" aria-selected={tab() === 'facts'} onClick={() => setTab('facts')}>
          Events <span class="count">{facts().length}</span>
        </button>
      </div>
      <Switch>
        <Match when={tab() === 'keystrokes'}>
          <Show when={hasHidden() && !isRevealed()}>
            <p class="reveal">
              <span>Text the target did not echo is hidden: it may be a password.</span>
              <button class="button button-small" type="button" onClick={() => void reveal()}>
                <Icon name="eye" /> Reveal, and note it in the ledger
              </button>
            </p>
          </Show>
          <Follow count={typed().length} current={nowTyped()} isLive={props.at === undefined}>
            <Index each={typed()} fallback={<li class="pane-empty">Nothing was typed.</li>}>
              {(line, index) => (
                <li classList={{ 'is-now': index === nowTyped(), 'is-ahead': isAhead(line().at, props.at) }}>
                  <Moment at={line().at} onSeek={props.onSeek}>
                    <span class="typed">
                      <For each={line().strokes}>
                        {(stroke) => <StrokeView stroke={stroke} isRevealed={isRevealed()} />}
                      </For>
                    </span>
                  </Moment>
                </li>
              )}
            </Index>
          </Follow>
        </Match>
        <Match when={tab() === 'facts'}>
          <Follow count={facts().length} current={nowFact()} isLive={props.at === undefined}>
            <Index each={facts()} fallback={<li class="pane-empty">Nothing but the terminal.</li>}>
              {(fact, index) => (
                <li classList={{ 'is-now': index === nowFact(), 'is-ahead': isAhead(fact().at, props.at) }}>
                  <Moment at={fact().at} onSeek={props.onSeek}>
                    <FactView fact={fact()} />
                  </Moment>
                </li>
              )}
            </Index>
          </Follow>
        </Match>
      </Switch>
    </aside>
  )
}

function Moment(props: {
  readonly at: number
  readonly onSeek: ((toS: number) => void) | undefined
  readonly children: JSX.Element
}): JSX.Element {
  return (
    <Show
      when={props.onSeek}
      fallback={
        <div class="moment">
          <time>{offset(props.at)}</time>
          {props.children}
        </div>
      }
    >
      {(seek) => (
        <button class="moment" type="button" onClick={() => seek()(props.at)}>
          <time>{offset(props.at)}</time>
          {props.children}
        </button>
      )}
    </Show>
  )
}

/** A list that keeps its present line in sight: the playhead's, or the newest unless someone has scrolled up. */
function Follow(props: {
  readonly count: number
  readonly current: number
  readonly isLive: boolean
  readonly children: JSX.Element
}): JSX.Element {
  let list: HTMLOListElement | undefined
  let isAtEnd = true
  createEffect(
    on([() => props.current, () => props.count], ([current]) => {
      if (list === undefined) return
      if (props.isLive) {
        if (isAtEnd) queueMicrotask(() => list?.scrollTo({ top: list.scrollHeight }))
        return
      }
      const item = list.children[current]
      if (!(item instanceof HTMLElement)) return
      const top = item.offsetTop - list.offsetTop
      if (top < list.scrollTop || top + item.offsetHeight > list.scrollTop + list.clientHeight)
        list.scrollTo({ top: top - list.clientHeight / 3 })
    }),
  )
  return (
    <ol
      class="moments"
      ref={(element) => (list = element)}
      tabindex="0"
      onScroll={({ currentTarget: { scrollTop, clientHeight, scrollHeight } }) => {
        isAtEnd = scrollTop + clientHeight >= scrollHeight - 24
      }}
    >
      {props.children}
    </ol>
  )
}

function currentOf(moments: readonly { readonly at: number }[], at: number | undefined): number {
  return at === undefined ? -1 : moments.findLastIndex((moment) => moment.at <= at + 0.05)
}

function isAhead(at: number, playhead: number | undefined): boolean {
  return playhead !== undefined && at > playhead + 0.05
}

function isHidden(stroke: Stroke): boolean {
  return (stroke.kind === 'text' || stroke.kind === 'paste') && !stroke.isEchoed && stroke.text.trim() !== ''
}

function StrokeView(props: {
  readonly stroke: TypedLine['strokes'][number]
  readonly isRevealed: boolean
}): JSX.Element {
  return (
    <Switch>
      <Match when={isHidden(props.stroke) && !props.isRevealed}>
        <span
          class="stroke-hidden"
          title={`${Array.from(props.stroke.text).length} characters that the target did not echo`}
        >
          ••••
        </span>
      </Match>
      <Match when={props.stroke.kind === 'paste'}>
        <span class="stroke-paste">
          <small>pasted</small>
          <span>{visible(props.stroke.text.replaceAll('\r', '\n'))}</span>
        </span>
      </Match>
      <Match when={props.stroke.kind === 'key'}>
        <kbd>{visible(props.stroke.text)}</kbd>
      </Match>
      <Match when={props.stroke.kind === 'report'}>
        <span class="stroke-report">{props.stroke.text}</span>
      </Match>
      <Match when={props.stroke.kind === 'text'}>
        <span class="stroke-text" classList={{ 'is-revealed': isHidden(props.stroke) }}>
          {visible(props.stroke.text)}
        </span>
      </Match>
    </Switch>
  )
}

function FactView(props: { readonly fact: SessionFact }): JSX.Element {
  return (
    <span class="fact-line" classList={{ 'is-bad': props.fact.isBad }}>
      <small>{props.fact.label}</small>
      <span>{visible(props.fact.text)}</span>
    </span>
  )
}
