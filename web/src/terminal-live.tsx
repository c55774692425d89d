// A terminal session as it happens: the present screen at once, then every key and every line.

import { createSignal, onCleanup, onMount, Show, type JSX } from 'solid-js'
import type { SessionView } from '../../src/http/api.ts'
import { followSession } from './live-events.ts'
import { setRatio, watch } from './player.ts'
import { termOf } from './recorded.ts'
import { SidePane } from './side-pane.tsx'

export function TerminalLive(props: { readonly session: SessionView }): JSX.Element {
  let place: HTMLDivElement | undefined
  const live = followSession(props.session.id)
  const [isOver, setOver] = createSignal(false)
  const { what } = props.session
  const term = termOf(what) ?? { cols: 80, rows: 24 }
  onMount(() => {
    if (place === undefined) return
    const player = watch(place, term, props.session.id)
    player.addEventListener('ended', () => setOver(true))
    onCleanup(() => player.dispose())
  })
  return (
    <div class="terminal-view">
      <section class="terminal-main" aria-label="Live terminal" ref={(main) => setRatio(main, term)}>
        <div class="player player-live" ref={(element) => (place = element)} />
        <Show when={isOver() || props.session.state !== 'open'}>
          <EndNote session={props.session} />
        </Show>
      </section>
      <SidePane session={props.session} events={live.events()} />
    </div>
  )
}

/** Says that what was watched is over, and where it goes on. */
export function EndNote(props: { readonly session: SessionView }): JSX.Element {
  return (
    <div class="end-note" role="status">
      <p>
        {props.session.end === null ? 'The session has ended.' : `The session has ended: ${props.session.end.message}`}
      </p>
      <a class="button" href={`/sessions/${props.session.id}`}>
        Open the recording
      </a>
    </div>
  )
}
