// Taking access away, or giving it back: a reason always, a code when none was given here lately enough. The words say
// what will happen; what cannot be undone by a click is typed.

import { createSignal, onMount, Show, type JSX } from 'solid-js'
import type { Me, StepUp } from '../../src/http/api.ts'
import { get, post, Problem } from './api.ts'
import { CodeInput, Refusal } from './step-up.tsx'

export function TakeAwayDialog(props: {
  readonly title: string
  readonly path: string
  readonly action: string
  /** Giving needs a code of the last minutes; taking away one that is still remembered. */
  readonly gives?: boolean
  /** What must be typed, letter by letter, before anything happens. */
  readonly typed?: string
  /** What is sent beside the reason. */
  readonly more?: () => Readonly<Record<string, unknown>>
  readonly onDone: () => void
  readonly onClose: () => void
  readonly children: JSX.Element
}): JSX.Element {
  const [needsCode, setNeedsCode] = createSignal<boolean>()
  const [reason, setReason] = createSignal('')
  const [code, setCode] = createSignal('')
  const [problem, setProblem] = createSignal<Problem>()
  const [isBusy, setBusy] = createSignal(false)
  const [typed, setTyped] = createSignal('')
  let dialog: HTMLDialogElement | undefined
  let reasonField: HTMLInputElement | undefined
  let codeField: HTMLInputElement | undefined

  onMount(() => {
    dialog?.showModal()
    reasonField?.focus()
    // Without an answer a code is asked for: the server decides anyway.
    get<Me>('/api/me').then(
      ({ stepUp }) => setNeedsCode((props.gives === true ? stepUp.freshForMs : stepUp.rememberedForMs) === 0),
      () => setNeedsCode(true),
    )
  })

  const act = async (event: SubmitEvent) => {
    event.preventDefault()
    setBusy(true)
    setProblem(undefined)
    try {
      if (needsCode() === true) {
        await post<StepUp>('/api/step-up', { code: code() })
        setNeedsCode(false)
      }
      await post(props.path, { ...props.more?.(), reason: reason() })
      props.onDone()
    } catch (error) {
      const refused = error instanceof Problem ? error : new Problem(0, {})
      setProblem(refused)
      if (refused.code === 'mfa_required') setNeedsCode(true)
      if (['mfa_required', 'code_wrong', 'code_replayed'].includes(refused.code)) {
        setCode('')
        codeField?.focus()
      }
    } finally {
      setBusy(false)
    }
  }

  return (
    <dialog
      ref={(element) => (dialog = element)}
      class="dialog"
      onClose={() => props.onClose()}
      aria-labelledby="take-away-title"
    >
      <form onSubmit={(event) => void act(event)}>
        <h2 id="take-away-title">{props.title}</h2>
        {props.children}
        <label class="field">
          <span>Reason</span>
          <input
            ref={(element) => (reasonField = element)}
            name="reason"
            type="text"
            required
            minlength="3"
            maxlength="500"
            autocomplete="off"
            placeholder="goes to them, into the record and the ledger"
            value={reason()}
            onInput={(event) => setReason(event.currentTarget.value)}
          />
        </label>
        <Show when={props.typed}>
          {(word) => (
            <label class="field">
              <span>
                Type <strong>{word()}</strong> to go ahead
              </span>
              <input
                name="typed"
                type="text"
                required
                autocomplete="off"
                autocapitalize="off"
                spellcheck={false}
                value={typed()}
                onInput={(event) => setTyped(event.currentTarget.value)}
              />
            </label>
          )}
        </Show>
        <Show when={needsCode() === true}>
          <CodeInput code={code()} onCode={setCode} field={(element) => (codeField = element)} />
        </Show>
        <Refusal problem={problem()} />
        <div class="actions">
          <button
            class="button"
            classList={{ 'button-danger': props.gives !== true }}
            type="submit"
            disabled={
              isBusy() || needsCode() === undefined || (props.typed !== undefined && typed().trim() !== props.typed)
            }
          >
            {isBusy() ? 'One moment…' : props.action}
          </button>
          <button class="button" type="button" onClick={() => dialog?.close()}>
            Cancel
          </button>
        </div>
      </form>
    </dialog>
  )
}
