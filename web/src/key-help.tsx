// What the keyboard does.

import { For, onMount, type JSX } from 'solid-js'

const keys = [
  {
    group: 'Everywhere',
    entries: [
      ['g o', 'overview'],
      ['g s', 'sessions'],
      ['g q', 'access: ask and decide'],
      ['g g', 'grants'],
      ['g r', 'reviews'],
      ['g t', 'targets and policy'],
      ['g a', 'alerts'],
      ['g d', 'drills'],
      ['g m', 'report of the month'],
      ['/', 'search'],
      ['?', 'this help'],
    ],
  },
  {
    group: 'Session list',
    entries: [
      ['j  k', 'next, previous'],
      ['Enter', 'open; in the search field: search inside recordings'],
    ],
  },
  {
    group: 'Player',
    entries: [
      ['Space', 'play, pause'],
      ['←  →', '5 seconds back, on'],
      ['⇧←  ⇧→', 'a tenth back, on'],
      ['0 … 9', 'jump to a tenth'],
      [',  .', 'a frame back, on'],
      ['[  ]', 'marker before, after'],
      ['f', 'full screen'],
    ],
  },
] as const

export function KeyHelp(props: { readonly onClose: () => void }): JSX.Element {
  let dialog: HTMLDialogElement | undefined
  onMount(() => dialog?.showModal())
  return (
    <dialog
      ref={(element) => (dialog = element)}
      class="dialog key-help"
      onClose={() => props.onClose()}
      aria-labelledby="key-help-title"
    >
      <h2 id="key-help-title">Keyboard</h2>
      <div class="key-groups">
        <For each={keys}>
          {({ group, entries }) => (
            <section>
              <h3>{group}</h3>
              <dl>
                <For each={entries}>
                  {([key, what]) => (
                    <div>
                      <dt>
                        <kbd>{key}</kbd>
                      </dt>
                      <dd>{what}</dd>
                    </div>
                  )}
                </For>
              </dl>
            </section>
          )}
        </For>
      </div>
      <form method="dialog">
        <button class="button" type="submit">
          Close
        </button>
      </form>
    </dialog>
  )
}
