// A sealed terminal session: the player, and beside it what was typed, each following the other.

import { createEffect, createMemo, createSignal, For, on, onCleanup, onMount, Show, type JSX } from 'solid-js'
import type { Player } from 'asciinema-player'
import type { SessionView } from '../../src/http/api.ts'
import { lines } from './api.ts'
import { offset } from './format.ts'
import { momentAsked } from './moment.ts'
import { Failure, Loading } from './notes.tsx'
import { layOut } from './playback.ts'
import { replay, setRatio } from './player.ts'
import { isDrawable, LineReader, streamText, type Recorded, type Recording } from './recorded.ts'
import { SidePane } from './side-pane.tsx'

const speeds = [0.5, 1, 2, 4, 8, 16] as const

/** Longest pause that is played when pauses are cut (s). */
const IDLE_LIMIT_S = 2

/** How often the playhead is looked at (ms). */
const FOLLOW_MS = 100

export function TerminalReplay(props: { readonly session: SessionView }): JSX.Element {
  const [recording, setRecording] = createSignal<Recording>()
  const [count, setCount] = createSignal(0)
  const [error, setError] = createSignal<unknown>()
  const load = async (signal: AbortSignal) => {
    try {
      setRecording(await read(props.session.id, signal, setCount))
    } catch (reason) {
      if (!signal.aborted) setError(reason)
    }
  }
  onMount(() => {
    const stop = new AbortController()
    onCleanup(() => stop.abort())
    void load(stop.signal)
  })
  return (
    <Show
      when={recording()}
      fallback={
        <Show when={error()} fallback={<Loading what={`recording${count() > 0 ? ` (${count()} events)` : ''}`} />}>
          <Failure error={error()} />
        </Show>
      }
    >
      {(ready) => <Replay session={props.session} recording={ready()} />}
    </Show>
  )
}

/** Reads a session's lines. */
export async function read(id: string, signal: AbortSignal, onCount: (count: number) => void): Promise<Recording> {
  const reader = new LineReader()
  const events: Recorded[] = []
  for await (const batch of lines(`/api/sessions/${id}/lines`, signal)) {
    for (const line of batch) {
      const event = reader.read(line)
      if (event !== undefined) events.push(event)
    }
    onCount(events.length)
  }
  return { term: reader.term, events }
}

function Replay(props: { readonly session: SessionView; readonly recording: Recording }): JSX.Element {
  const [speed, setSpeed] = createSignal(1)
  const [skipsIdle, setSkipsIdle] = createSignal(true)
  const endS = props.recording.events.at(-1)?.at ?? 0
  const [at, setAt] = createSignal(Math.min(momentAsked() ?? 0, endS))
  const shown = terminalEvents(props.recording.events, isRaw(props.session))
  const playback = createMemo(() => layOut(shown, endS, skipsIdle() ? IDLE_LIMIT_S : undefined))
  let place: HTMLDivElement | undefined
  let player: Player | undefined
  let isPlaying = false

  const start = (fromS: number, autoPlay: boolean) => {
    player?.dispose()
    if (place === undefined) return
    isPlaying = autoPlay
    player = replay(place, props.recording.term, playback(), {
      speed: speed(),
      startAt: playback().toPlayed(fromS),
      autoPlay,
    })
    player.addEventListener('playing', () => {
      isPlaying = true
    })
    for (const event of ['pause', 'ended'] as const)
      player.addEventListener(event, () => {
        isPlaying = false
      })
  }
  onMount(() => start(at(), false))
  createEffect(on([speed, playback], () => start(at(), isPlaying), { defer: true }))
  const following = setInterval(() => {
    if (player !== undefined) setAt(playback().toRecorded(player.getCurrentTime()))
  }, FOLLOW_MS)
  onCleanup(() => {
    clearInterval(following)
    player?.dispose()
  })
  const seek = (toS: number) => {
    setAt(toS)
    void player?.seek(playback().toPlayed(toS))
  }

  return (
    <div class="terminal-view">
      <section class="terminal-main" aria-label="Terminal" ref={(main) => setRatio(main, props.recording.term)}>
        <div class="player" classList={{ 'is-placed': at() > 0 }} ref={(element) => (place = element)} />
        <div class="transport">
          <output class="playhead" title="time within the session">
            {offset(at())} <span class="muted">/ {offset(endS)}</span>
          </output>
          <label class="check">
            <input
              type="checkbox"
              checked={skipsIdle()}
              onChange={(event) => setSkipsIdle(event.currentTarget.checked)}
            />
            Skip pauses
          </label>
          <div class="segments" role="group" aria-label="Speed">
            <For each={speeds}>
              {(each) => (
                <button type="button" aria-pressed={speed() === each} onClick={() => setSpeed(each)}>
                  {each === 0.5 ? '½' : each}×
                </button>
              )}
            </For>
          </div>
        </div>
      </section>
      <SidePane session={props.session} events={props.recording.events} at={at()} onSeek={seek} />
    </div>
  )
}

/** True for a session without a terminal of its own: nobody turned its line feeds into line ends. */
export function isRaw({ what }: Pick<SessionView, 'what'>): boolean {
  return !('term' in what) || what.term === null
}

function isDrawableSize(data: unknown): data is string {
  if (typeof data !== 'string') return false
  const [cols = 0, rows = 0] = data.split('x').map(Number)
  return isDrawable(cols, rows)
}

/** What the player draws. What was typed is not among it: that has its own pane with its own rule. */
function terminalEvents(
  events: readonly Recorded[],
  raw: boolean,
): { at: number; code: 'o' | 'r' | 'm'; data: unknown }[] {
  const shown: { at: number; code: 'o' | 'r' | 'm'; data: unknown }[] = []
  for (const event of events) {
    const { at, code, data } = event
    if (code === 'r' && isDrawableSize(data)) shown.push({ at, code, data })
    if (code === 'm') shown.push({ at, code, data: String(data) })
    const chunk = streamText(event)
    if (chunk === undefined || chunk.stream === 'i') continue
    const text = raw ? chunk.text.replaceAll(/\r?\n/g, '\r\n') : chunk.text
    shown.push({ at, code: 'o', data: raw && chunk.stream === 'e' ? `\x1b[31m${text}\x1b[39m` : text })
  }
  return shown
}
