// Passing a verdict: the checklist, what it was, what was found, what is to be done, and a fresh code. What was filled in
// is kept while the reviewer goes and watches a recording.

import { createEffect, createSignal, For, Index, on, onMount, Show, type JSX } from 'solid-js'
import type { Me, ReviewDetail, StepUp } from '../../src/http/api.ts'
import { get, post, Problem } from './api.ts'
import { sentence } from './notes.tsx'
import { CodeInput, Refusal } from './step-up.tsx'

type Case = ReviewDetail['review']
type Answer = 'yes' | 'no' | 'n/a'
type VerdictName = 'emergency' | 'mistake' | 'misuse'

interface Draft {
  readonly verdict: VerdictName | undefined
  readonly findings: string
  readonly followUps: readonly string[]
  readonly answers: ReadonlyMap<string, Answer>
}

/** By grant, for as long as the tab lives: no findings are left in a browser's storage. */
const drafts = new Map<string, Draft>()
const blank: Draft = { verdict: undefined, findings: '', followUps: [''], answers: new Map() }

const FOLLOW_UPS_MAX = 10

const verdicts = [
  { name: 'emergency', label: 'Emergency', meaning: 'The glass was broken for what it is there for.' },
  { name: 'mistake', label: 'Mistake', meaning: 'No emergency, or done wrongly, in good faith.' },
  { name: 'misuse', label: 'Misuse', meaning: 'The access was used for something else.' },
] as const satisfies readonly { name: VerdictName; label: string; meaning: string }[]

export function VerdictForm(props: { readonly review: Case; readonly onDone: () => void }): JSX.Element {
  const id = props.review.grant.id
  const [draft, setDraft] = createSignal<Draft>(drafts.get(id) ?? blank)
  const [needsCode, setNeedsCode] = createSignal(true)
  const [code, setCode] = createSignal('')
  const [problem, setProblem] = createSignal<Problem>()
  const [isBusy, setBusy] = createSignal(false)
  let codeField: HTMLInputElement | undefined
  const change = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }))

  createEffect(on(draft, (now) => drafts.set(id, now), { defer: true }))
  onMount(() => {
    // Without an answer a code is asked for: the server decides anyway.
    get<Me>('/api/me').then(
      (me) => setNeedsCode(me.stepUp.freshForMs < 30_000),
      () => setNeedsCode(true),
    )
  })

  const decide = async (event: SubmitEvent) => {
    event.preventDefault()
    if (isBusy()) return
    setBusy(true)
    setProblem(undefined)
    try {
      if (needsCode()) {
        await post<StepUp>('/api/step-up', { code: code() })
        setNeedsCode(false)
        setCode('')
      }
      const { verdict, findings, followUps, answers } = draft()
      const checklist = props.review.questions.map((question) => ({ question, answer: answers.get(question) }))
      await post(`/api/reviews/${id}`, { verdict, findings, followUps, checklist })
      drafts.delete(id)
      props.onDone()
    } catch (error) {
      const refused = error instanceof Problem ? error : new Problem(0, {})
      setProblem(refused)
      if (refused.code === 'mfa_required') setNeedsCode(true)
      if (['mfa_required', 'code_wrong', 'code_replayed'].includes(refused.code)) {
        setCode('')
        codeField?.focus()
      }
      // Somebody was faster, or something changed: what is shown is out of date.
      if (refused.code === 'conflict') props.onDone()
    } finally {
      setBusy(false)
    }
  }

  return (
    <form class="verdict-form" onSubmit={(event) => void decide(event)}>
      <Show when={props.review.obstacle}>
        {(obstacle) => (
          <p class="verdict-obstacle" role="status">
            {sentence(obstacle().message)}
            <Show when={obstacle().hint}>{(hint) => <small>{sentence(hint())}</small>}</Show>
          </p>
        )}
      </Show>
      <For each={props.review.questions}>
        {(question, index) => (
          <fieldset class="question">
            <legend>
              <span class="question-number">{index() + 1}</span> {question}
            </legend>
            <div class="choices">
              <For each={['yes', 'no', 'n/a'] as const}>
                {(answer) => (
                  <label>
                    <input
                      type="radio"
                      name={`question-${index()}`}
                      value={answer}
                      required
                      checked={draft().answers.get(question) === answer}
                      onChange={() => change({ answers: new Map([...draft().answers, [question, answer]]) })}
                    />
                    {answer}
                  </label>
                )}
              </For>
            </div>
          </fieldset>
        )}
      </For>
      <fieldset class="question">
        <legend>What was it?</legend>
        <div class="choices verdict-choices">
          <For each={verdicts}>
            {(each) => (
              <label>
                <input
                  type="radio"
                  name="verdict"
                  value={each.name}
                  required
                  checked={draft().verdict === each.name}
                  onChange={() => change({ verdict: each.name })}
                />
                <span>
                  {each.label} <small>{each.meaning}</small>
                </span>
              </label>
            )}
          </For>
        </div>
      </fieldset>
      <label class="field">
        <span>Findings</span>
        <textarea
          name="findings"
          rows="4"
          maxlength="2000"
          required={draft().verdict === 'mistake' || draft().verdict === 'misuse'}
          minlength={draft().verdict === 'mistake' || draft().verdict === 'misuse' ? 10 : 0}
          placeholder="what was found; the person concerned will read it, and it stays in the ledger"
          value={draft().findings}
          onInput={(event) => change({ findings: event.currentTarget.value })}
        />
      </label>
      <fieldset class="follow-ups">
        <legend>Follow-ups</legend>
        <Index each={draft().followUps}>
          {(each, index) => (
            <input
              type="text"
              maxlength="200"
              aria-label={`Follow-up ${index + 1}`}
              placeholder="what is to be done, and by whom"
              value={each()}
              onInput={(event) => change({ followUps: draft().followUps.with(index, event.currentTarget.value) })}
            />
          )}
        </Index>
        <button
          class="button button-small"
          type="button"
          disabled={draft().followUps.length >= FOLLOW_UPS_MAX}
          onClick={() => change({ followUps: [...draft().followUps, ''] })}
        >
          Another one
        </button>
      </fieldset>
      <Show when={needsCode()}>
        <CodeInput code={code()} onCode={setCode} field={(element) => (codeField = element)} />
      </Show>
      <Refusal problem={problem()} />
      <div class="actions">
        <button class="button button-main" type="submit" disabled={isBusy() || props.review.obstacle !== null}>
          {isBusy() ? 'One moment…' : 'Pass the verdict'}
        </button>
      </div>
    </form>
  )
}
