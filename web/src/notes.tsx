// What a page says when it has nothing to show: it is on its way, there is none, or it went wrong and what to do.

import { Show, type JSX } from 'solid-js'
import { Problem } from './api.ts'
import { Icon } from './icons.tsx'
import { Link } from './router.tsx'

export function Loading(props: { readonly what: string }): JSX.Element {
  return (
    <div class="note" role="status">
      <span class="spinner" aria-hidden="true" />
      <p>Loading {props.what}…</p>
    </div>
  )
}

export function Empty(props: { readonly title: string; readonly children?: JSX.Element }): JSX.Element {
  return (
    <div class="note">
      <Icon name="quiet" />
      <h2>{props.title}</h2>
      <div class="note-text">{props.children}</div>
    </div>
  )
}

export function Failure(props: { readonly error: unknown; readonly onRetry?: () => void }): JSX.Element {
  const problem = () => (props.error instanceof Problem ? props.error : undefined)
  return (
    <div class="note note-bad" role="alert">
      <Icon name="warning" />
      <h2>{sentence(problem()?.message ?? 'something went wrong in this page')}</h2>
      <Show when={problem()?.finding}>{(finding) => <p class="finding">{finding()}</p>}</Show>
      <Show when={problem()?.hint}>{(hint) => <p class="note-text">{sentence(hint())}</p>}</Show>
      <Show when={props.onRetry !== undefined && problem()?.finding === undefined}>
        <button class="button" type="button" onClick={() => props.onRetry?.()}>
          Try again
        </button>
      </Show>
    </div>
  )
}

export function NothingHere(): JSX.Element {
  return (
    <Empty title="Nothing here">
      It does not exist, or it is not yours to see. <Link href="/">All sessions</Link>
    </Empty>
  )
}

/** An error's lower-case message as a sentence of the page. */
export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
