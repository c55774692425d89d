// asciinema-player in the page's clothes. It draws text and colours and nothing else: it knows no links.

import { create, type Options, type Player, type Source, type UrlSource } from 'asciinema-player'
import { socketUrl } from './api.ts'
import type { Playback } from './playback.ts'
import type { Term } from './recorded.ts'

const look: Options = {
  theme: 'halligan',
  fit: 'width',
  controls: true,
  keystrokeOverlay: false,
  cursorMode: 'steady',
  terminalFontFamily:
    'ui-monospace, "SF Mono", "Cascadia Mono", "JetBrains Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
}

/** Plays a recording from `startAt` (played seconds). */
export function replay(
  into: HTMLElement,
  term: Term,
  playback: Playback,
  options: { readonly speed: number; readonly startAt: number; readonly autoPlay: boolean },
): Player {
  const source: Source = {
    data: '',
    parser: () => ({ cols: term.cols, rows: term.rows, events: playback.events.map((event) => [...event]) }),
  }
  return create(source, into, {
    ...look,
    ...term,
    ...options,
    preload: true,
    ...(options.autoPlay ? {} : { poster: `npt:${options.startAt}` }),
  })
}

/** Watches a running session's terminal. */
export function watch(into: HTMLElement, term: Term, session: string): Player {
  // No buffer: a tail is for seeing what happens, not for smooth playing.
  const source = { driver: 'websocket', url: socketUrl(`/ws/sessions/${session}/live`), bufferTime: 0 } as UrlSource
  return create(source, into, { ...look, ...term, autoPlay: true })
}

/** Tells the style sheet the terminal's shape: a cell is about 0.6 by 1.33 of the type size. */
export function setRatio(place: HTMLElement, { cols, rows }: Term): void {
  place.style.setProperty('--ratio', String((cols * 0.6 + 1.5) / (rows * 1.333 + 1.5)))
}
