// A code on top of the session, asked for where an act needs a fresh one and none was given lately.

import { createSignal, onMount, Show, type JSX } from 'solid-js'
import type { Me, StepUp } from '../../src/http/api.ts'
import { get, post, Problem } from './api.ts'
import { sentence } from './notes.tsx'

export interface Act {
  /** Undefined until the server has said. */
  readonly needsCode: () => boolean | undefined
  readonly code: () => string
  readonly setCode: (code: string) => void
  readonly isBusy: () => boolean
  readonly problem: () => Problem | undefined
  /** Runs one act at a time, so that a double click is one; a code is asked for when the server misses it. */
  readonly run: (act: () => Promise<void>) => Promise<void>
  /** Gives the code that was typed, if one is needed. */
  readonly stepUp: () => Promise<void>
}

/** What an act and its code field share. */
export function createAct(): Act {
  const [needsCode, setNeedsCode] = createSignal<boolean>()
  const [code, setCode] = createSignal('')
  const [isBusy, setBusy] = createSignal(false)
  const [problem, setProblem] = createSignal<Problem>()
  onMount(() => {
    // Without an answer a code is asked for: the server decides anyway.
    get<Me>('/api/me').then(
      (me) => setNeedsCode(me.stepUp.freshForMs === 0),
      () => setNeedsCode(true),
    )
  })
  const run = async (act: () => Promise<void>) => {
    if (isBusy()) return
    setBusy(true)
    setProblem(undefined)
    try {
      await act()
      setCode('')
    } catch (error) {
      const refused = error instanceof Problem ? error : new Problem(0, {})
      setProblem(refused)
      if (refused.code === 'mfa_required') setNeedsCode(true)
      if (['mfa_required', 'code_wrong', 'code_replayed'].includes(refused.code)) setCode('')
    } finally {
      setBusy(false)
    }
  }
  const stepUp = async () => {
    if (needsCode() === false) return
    await post<StepUp>('/api/step-up', { code: code() })
    setNeedsCode(false)
  }
  return { needsCode, code, setCode, isBusy, problem, run, stepUp }
}

/** The field for it, and what went wrong. */
export function CodeField(props: { readonly act: Act; readonly hint?: string }): JSX.Element {
  return (
    <>
      <Show when={props.act.needsCode() === true}>
        <CodeInput code={props.act.code()} onCode={props.act.setCode} mode="text" hint={props.hint} />
      </Show>
      <Refusal problem={props.act.problem()} />
    </>
  )
}

/** The field alone; `field` is handed the element, to focus it. */
export function CodeInput(props: {
  readonly code: string
  readonly onCode: (code: string) => void
  readonly field?: (element: HTMLInputElement) => void
  /** `text` where a code may have letters. */
  readonly mode?: 'numeric' | 'text'
  readonly hint?: string | undefined
}): JSX.Element {
  return (
    <label class="field">
      <span>Code from your authenticator</span>
      <input
        ref={(element) => props.field?.(element)}
        class="code-input"
        name="code"
        type="text"
        inputmode={props.mode ?? 'numeric'}
        autocomplete="one-time-code"
        required
        maxlength="64"
        placeholder="000000"
        value={props.code}
        onInput={(event) => props.onCode(event.currentTarget.value)}
      />
      <Show when={props.hint}>{(hint) => <small>{hint()}</small>}</Show>
    </label>
  )
}

/** What went wrong with the last try, and what to do. */
export function Refusal(props: { readonly problem: Problem | undefined }): JSX.Element {
  return (
    <Show when={props.problem}>
      {(refused) => (
        <p class="field-problem" role="alert">
          {sentence(refused().message)}
          <Show when={refused().hint}>{(hint) => <small>{sentence(hint())}</small>}</Show>
        </p>
      )}
    </Show>
  )
}
