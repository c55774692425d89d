// Who has been told, and who has not: what no channel has taken stands first, and an admin may have it sent again.

import { createSignal, For, Match, Show, Switch, type JSX } from 'solid-js'
import type { AlertPage, AlertView, StepUp } from '../../src/http/api.ts'
import { get, post, Problem } from './api.ts'
import { version } from './feed.ts'
import { utc, visible, when } from './format.ts'
import { Icon } from './icons.tsx'
import { Failure, Loading } from './notes.tsx'
import { createQuery } from './query.ts'
import { serverNow } from './server-time.ts'
import { CodeInput, Refusal } from './step-up.tsx'

/** The path to post to; null: nothing is asked for. */
type Asked = { readonly path: string; readonly what: string }

export function AlertsPage(): JSX.Element {
  const page = createQuery(version('alerts'), () => get<AlertPage>('/api/alerts'))
  const [asked, setAsked] = createSignal<Asked>()
  const dead = () => page.data()?.owed.filter(({ deadAt }) => deadAt !== null) ?? []
  const waiting = () => page.data()?.owed.filter(({ deadAt }) => deadAt === null) ?? []
  const delivered = () => page.data()?.alerts.filter(({ acceptedAt }) => acceptedAt !== null) ?? []
  const mayRetry = () => page.data()?.may.retry === true
  return (
    <div class="page">
      <header class="page-head">
        <h1>Alerts</h1>
      </header>
      <Switch fallback={<Loading what="alerts" />}>
        <Match when={page.error()}>
          <Failure error={page.error()} onRetry={page.again} />
        </Match>
        <Match when={page.data()}>
          <Show when={asked()}>
            {(what) => (
              <RetryForm
                asked={what()}
                onClose={() => setAsked(undefined)}
                onDone={() => {
                  setAsked(undefined)
                  page.again()
                }}
              />
            )}
          </Show>
          <section class="alerts" aria-labelledby="alerts-dead">
            <h2 id="alerts-dead">
              <Icon name="warning" /> Given up
            </h2>
            <p class="muted">A week of tries, and no channel took it. It is in the ledger.</p>
            <Show when={dead().length > 0} fallback={<p>Nothing.</p>}>
              <ul>
                <For each={dead()}>
                  {(alert) => (
                    <Row alert={alert} badge="badge-bad" state={`Given up after ${tries(alert.attempts)}`}>
                      <Show when={mayRetry()}>
                        <button
                          class="button"
                          type="button"
                          onClick={() =>
                            setAsked({
                              path: `/api/alerts/${alert.id}/retry`,
                              what: `${alert.type} to ${alert.channel}`,
                            })
                          }
                        >
                          Send again
                        </button>
                      </Show>
                    </Row>
                  )}
                </For>
              </ul>
              <Show when={mayRetry() && dead().length > 1}>
                <button
                  class="button"
                  type="button"
                  onClick={() => setAsked({ path: '/api/alerts/retry', what: `all ${dead().length}` })}
                >
                  Send all again
                </button>
              </Show>
            </Show>
          </section>
          <section class="alerts" aria-labelledby="alerts-waiting">
            <h2 id="alerts-waiting">
              <Icon name="bell" /> Not accepted yet
            </h2>
            <Show when={waiting().length > 0} fallback={<p>Nothing waits: everybody has been told.</p>}>
              <ul>
                <For each={waiting()}>
                  {(alert) => <Row alert={alert} badge="badge-warn" state={waitingFor(alert)} />}
                </For>
              </ul>
            </Show>
          </section>
          <section class="alerts" aria-labelledby="alerts-delivered">
            <h2 id="alerts-delivered">
              <Icon name="seal" /> Accepted lately
            </h2>
            <Show when={delivered().length > 0} fallback={<p>Nothing has been sent yet.</p>}>
              <ul>
                <For each={delivered()}>{(alert) => <Row alert={alert} badge="badge-sealed" state="Accepted" />}</For>
              </ul>
            </Show>
          </section>
        </Match>
      </Switch>
    </div>
  )
}

function tries(attempts: number): string {
  return `${attempts} ${attempts === 1 ? 'try' : 'tries'}`
}

function waitingFor({ attempts, nextAt }: AlertView): string {
  if (attempts === 0) return 'On its way'
  return `${tries(attempts)}, next ${when(nextAt, serverNow())}`
}

function Row(props: {
  readonly alert: AlertView
  readonly badge: string
  readonly state: string
  readonly children?: JSX.Element
}): JSX.Element {
  const said = () => props.alert.receipt ?? props.alert.lastError
  return (
    <li>
      <time title={utc(props.alert.at)}>{when(props.alert.at, serverNow())}</time>
      <span class="alert-what">
        {visible(props.alert.type)} <span class="muted">to</span> {visible(props.alert.channel)}
        <Show when={said()}>{(text) => <small class="muted"> {visible(text())}</small>}</Show>
      </span>
      <span class="alert-state">
        <span class={`badge ${props.badge}`}>{props.state}</span> {props.children}
      </span>
    </li>
  )
}

/** Asks for a code only when the server wants one. */
function RetryForm(props: {
  readonly asked: Asked
  readonly onDone: () => void
  readonly onClose: () => void
}): JSX.Element {
  const [needsCode, setNeedsCode] = createSignal(false)
  const [code, setCode] = createSignal('')
  const [problem, setProblem] = createSignal<Problem>()
  const [isBusy, setBusy] = createSignal(false)
  const act = async (event: SubmitEvent) => {
    event.preventDefault()
    setBusy(true)
    setProblem(undefined)
    try {
      if (needsCode()) await post<StepUp>('/api/step-up', { code: code() })
      await post(props.asked.path, {})
      props.onDone()
    } catch (error) {
      const refused = error instanceof Problem ? error : new Problem(0, {})
      setProblem(refused)
      setCode('')
      if (['mfa_required', 'code_wrong', 'code_replayed'].includes(refused.code)) setNeedsCode(true)
    } finally {
      setBusy(false)
    }
  }
  return (
    <form class="retry" aria-label="Send again" onSubmit={(event) => void act(event)}>
      <p>Send {visible(props.asked.what)} again, with the number it had?</p>
      <Show when={needsCode()}>
        <CodeInput code={code()} onCode={setCode} field={(element) => queueMicrotask(() => element.focus())} />
      </Show>
      <Refusal problem={problem()} />
      <div class="actions">
        <button class="button" type="submit" disabled={isBusy()}>
          {isBusy() ? 'One moment…' : 'Send again'}
        </button>
        <button class="button" type="button" onClick={() => props.onClose()}>
          Cancel
        </button>
      </div>
    </form>
  )
}
