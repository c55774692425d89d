// One request, as an alert's link opens it on a phone: what, who, why, since when, by which rule; and, for whoever may
// decide, the decision. The page itself decides nothing: looking at it changes nothing.

import { createMemo, createSignal, For, Show, type JSX } from 'solid-js'
import type { RequestDetail, RequestOutcome } from '../../src/http/api.ts'
import type { RequestView } from '../../src/procedure/request-view.ts'
import { span } from './access-form.tsx'
import { GrantBadge, WaitingFacts } from './access.tsx'
import { get, post } from './api.ts'
import { version } from './feed.ts'
import { clock, utc, visible, when } from './format.ts'
import { Icon } from './icons.tsx'
import { Failure, Loading } from './notes.tsx'
import { createQuery } from './query.ts'
import { Link } from './router.tsx'
import { learnTime, serverNow } from './server-time.ts'
import { CodeField, createAct } from './step-up.tsx'

const LOOK_AGAIN_MS = 5_000

export function RequestPage(props: { readonly id: string }): JSX.Element {
  const [isWaiting, setWaiting] = createSignal(false)
  // By value: an answer that says the same must not ask again.
  const key = createMemo(
    () => `${props.id} ${version('grants')()} ${isWaiting() ? Math.floor(serverNow() / LOOK_AGAIN_MS) : 0}`,
  )
  const detail = createQuery(key, async () => {
    const answer = await get<RequestDetail>(`/api/requests/${props.id}`)
    learnTime(answer.now)
    setWaiting(answer.request.waiting !== null)
    return answer
  })
  return (
    <div class="page access">
      <Show
        when={detail.data()}
        fallback={
          <Show when={detail.error()} fallback={<Loading what="the request" />}>
            <Failure error={detail.error()} onRetry={detail.again} />
          </Show>
        }
      >
        {(data) => (
          <>
            <header class="page-head">
              <h1>
                {data().request.grant.user} <span class="arrow">→</span> {data().request.grant.account}@
                {data().request.grant.target}
              </h1>
              <GrantBadge grant={data().request.grant} />
            </header>
            <Facts detail={data()} />
            <WaitingFacts request={data().request} now={data().now} />
            <Show when={data().request.may.decide}>
              <Decide id={props.id} onDecided={detail.again} />
            </Show>
            <Show when={data().request.may.override}>
              <GoAhead request={data().request} onDone={detail.again} />
            </Show>
            <Next request={data().request} />
            <Told detail={data()} />
          </>
        )}
      </Show>
      <p>
        <Link href="/access">All requests</Link>
      </p>
    </div>
  )
}

function Facts(props: { readonly detail: RequestDetail }): JSX.Element {
  const grant = () => props.detail.request.grant
  return (
    <>
      <p class="quote request-reason">{visible(grant().reason)}</p>
      <Show when={grant().vouchedBy}>
        {(by) => (
          <p class="loud">
            <Icon name="warning" />
            Vouched for by {by()}: {grant().user} gave no second factor of their own.
          </p>
        )}
      </Show>
      <dl class="request-facts">
        <div>
          <dt>Trigger</dt>
          <dd>
            {grant().trigger}
            <Show when={grant().incident}>{(incident) => <> · {visible(incident())}</>}</Show>
          </dd>
        </div>
        <div>
          <dt>Asked</dt>
          <dd>
            <time title={utc(grant().requestedAt)}>{when(grant().requestedAt, serverNow())}</time> from{' '}
            {grant().requestedFrom}
          </dd>
        </div>
        <div>
          <dt>For</dt>
          <dd>{span(grant().durationMs)}</dd>
        </div>
        <div>
          <dt>Rule</dt>
          <dd>
            <code>{grant().rule}</code>
          </dd>
        </div>
        <For each={grant().checks}>
          {(check) => (
            <div>
              <dt>Checked</dt>
              <dd>
                {check.check}: {check.outcome}, {visible(check.detail)}
              </dd>
            </div>
          )}
        </For>
        <For each={grant().approvals}>
          {(approval) => (
            <div>
              <dt>Approved</dt>
              <dd>
                by {approval.by} <time title={utc(approval.at)}>{when(approval.at, serverNow())}</time>
                <Show when={approval.comment !== ''}>
                  {' '}
                  <span class="quote">{visible(approval.comment)}</span>
                </Show>
              </dd>
            </div>
          )}
        </For>
        <Show when={props.detail.denial}>
          {(denial) => (
            <div>
              <dt>Denied</dt>
              <dd>
                by {denial().by} <span class="quote">{visible(denial().comment)}</span>
              </dd>
            </div>
          )}
        </Show>
        <Show when={grant().override}>
          {(override) => (
            <div>
              <dt>Alone</dt>
              <dd>
                {override().by} went ahead{' '}
                {(override().skipped ?? []).length > 0 ? `without ${override().skipped?.join(', ')}` : 'alone'}
                {override().announcedAt === null ? '; nobody had been reached' : ''}:{' '}
                <span class="quote">{visible(override().reason)}</span>
              </dd>
            </div>
          )}
        </Show>
      </dl>
    </>
  )
}

function Decide(props: { readonly id: string; readonly onDecided: () => void }): JSX.Element {
  const [comment, setComment] = createSignal('')
  const act = createAct()
  let form: HTMLFormElement | undefined
  const decide = (how: 'approve' | 'deny') => {
    if (form?.reportValidity() !== true) return
    void act.run(async () => {
      await act.stepUp()
      await post<RequestOutcome>(`/api/requests/${props.id}/${how}`, { comment: comment() })
      props.onDecided()
    })
  }
  return (
    <form class="decide" ref={(element) => (form = element)} onSubmit={(event) => event.preventDefault()}>
      <label class="field">
        <span>Comment</span>
        <input
          name="comment"
          type="text"
          maxlength="500"
          autocomplete="off"
          placeholder="needed to deny; everyone reads it"
          value={comment()}
          onInput={(event) => setComment(event.currentTarget.value)}
        />
      </label>
      <CodeField act={act} />
      <div class="actions">
        <button
          class="button button-main"
          type="button"
          disabled={act.isBusy() || act.needsCode() === undefined}
          onClick={() => decide('approve')}
        >
          Approve
        </button>
        <button
          class="button button-danger"
          type="button"
          disabled={act.isBusy() || act.needsCode() === undefined || comment().trim() === ''}
          onClick={() => decide('deny')}
        >
          Deny
        </button>
      </div>
    </form>
  )
}

function GoAhead(props: { readonly request: RequestView; readonly onDone: () => void }): JSX.Element {
  const [reason, setReason] = createSignal('')
  const act = createAct()
  const skipped = () => props.request.waiting?.asked.join(', ') ?? ''
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    void act.run(async () => {
      await act.stepUp()
      await post<RequestOutcome>(`/api/requests/${props.request.grant.id}/override`, { reason: reason() })
      props.onDone()
    })
  }
  return (
    <form class="decide" onSubmit={submit}>
      <h2>Go ahead alone</h2>
      <p class="loud">
        <Icon name="warning" />
        Everyone is told that you did{skipped() === '' ? '' : `, ${skipped()} by name`}.
      </p>
      <label class="field">
        <span>Longer reason, at least {props.request.waiting?.overrideReasonLength ?? 1} characters</span>
        <input
          name="reason"
          type="text"
          required
          minlength={props.request.waiting?.overrideReasonLength ?? 1}
          maxlength="1000"
          autocomplete="off"
          value={reason()}
          onInput={(event) => setReason(event.currentTarget.value)}
        />
      </label>
      <CodeField act={act} />
      <div class="actions">
        <button class="button button-danger" type="submit" disabled={act.isBusy() || act.needsCode() === undefined}>
          Go ahead without approval
        </button>
      </div>
    </form>
  )
}

/** What is left to do, for whoever asked. */
function Next(props: { readonly request: RequestView }): JSX.Element {
  const grant = () => props.request.grant
  const leftMs = () => Math.max(0, (grant().expiresAt ?? 0) - serverNow())
  return (
    <Show when={grant().state === 'active'}>
      <p class="next" role="status">
        The door is open for <span class="countdown">{clock(leftMs() / 1000)}</span>. Connect from your terminal:{' '}
        <code>
          ssh {grant().user}+{grant().account}@{grant().target}@{location.hostname}
        </code>
      </p>
    </Show>
  )
}

function Told(props: { readonly detail: RequestDetail }): JSX.Element {
  return (
    <section aria-labelledby="told-title">
      <h2 id="told-title">Who was told</h2>
      <Show when={props.detail.told.length > 0} fallback={<p class="muted">No alert was written for it.</p>}>
        <ul class="history">
          <For each={props.detail.told}>
            {(alert) => (
              <li>
                <time title={utc(alert.at)}>{when(alert.at, serverNow())}</time>
                <span>{alert.channel}</span>
                <span class="muted">{alert.type}</span>
                <span class={alert.acceptedAt === null ? 'badge badge-warn' : 'badge badge-sealed'}>
                  {alert.acceptedAt === null ? 'On its way' : 'Accepted'}
                </span>
              </li>
            )}
          </For>
        </ul>
      </Show>
    </section>
  )
}
