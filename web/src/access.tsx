// Asking for access and deciding on it: what waits for me, what I wait for, breaking the glass, and what became of it all.

import { createMemo, createSignal, For, Show, type JSX } from 'solid-js'
import type { Grant } from '../../src/access/grant.ts'
import type { Me, RequestList } from '../../src/http/api.ts'
import type { RequestView } from '../../src/procedure/request-view.ts'
import { RequestForm } from './access-form.tsx'
import { get, post } from './api.ts'
import { version } from './feed.ts'
import { clock, duration, utc, visible, when } from './format.ts'
import { Failure, Loading } from './notes.tsx'
import { createQuery } from './query.ts'
import { Link } from './router.tsx'
import { learnTime, serverNow } from './server-time.ts'
import { CodeField, createAct } from './step-up.tsx'

/** While somebody waits, alerts are taken and approvals come in without a word to this page. */
const LOOK_AGAIN_MS = 5_000

export function AccessPage(props: { readonly me: Me }): JSX.Element {
  const [isWaiting, setWaiting] = createSignal(false)
  // By value: an answer that says the same must not ask again.
  const key = createMemo(() => `${version('grants')()} ${isWaiting() ? Math.floor(serverNow() / LOOK_AGAIN_MS) : 0}`)
  const list = createQuery(key, async () => {
    const answer = await get<RequestList>('/api/requests')
    learnTime(answer.now)
    setWaiting(answer.mine.length > 0)
    return answer
  })
  const targets = createMemo(() => list.data()?.targets ?? [], [], {
    equals: (before, after) => JSON.stringify(before) === JSON.stringify(after),
  })
  return (
    <div class="page access">
      <header class="page-head">
        <h1>Access</h1>
      </header>
      <Show
        when={list.data()}
        fallback={
          <Show when={list.error()} fallback={<Loading what="requests" />}>
            <Failure error={list.error()} onRetry={list.again} />
          </Show>
        }
      >
        {(data) => (
          <>
            <Show when={data().pending.length > 0}>
              <section aria-labelledby="pending-title">
                <h2 id="pending-title">Waiting for your decision</h2>
                <ul class="request-list">
                  <For each={data().pending}>{(request) => <RequestCard request={request} now={data().now} />}</For>
                </ul>
              </section>
            </Show>
            <Show when={data().mine.length > 0}>
              <section aria-labelledby="mine-title">
                <h2 id="mine-title">You are waiting for</h2>
                <ul class="request-list">
                  <For each={data().mine}>{(request) => <RequestCard request={request} now={data().now} isOwn />}</For>
                </ul>
              </section>
            </Show>
            <Show when={targets().length > 0} fallback={<NothingToAsk hasPending={data().pending.length > 0} />}>
              <RequestForm targets={targets()} onAsked={list.again} />
            </Show>
            <Show when={data().denials.length > 0}>
              <Denials denials={data().denials} onLifted={list.again} />
            </Show>
            <History grants={data().history} me={props.me} />
          </>
        )}
      </Show>
    </div>
  )
}

function NothingToAsk(props: { readonly hasPending: boolean }): JSX.Element {
  return (
    <Show when={!props.hasPending}>
      <p class="muted">No policy gives you access to anything now, and nothing waits for a decision of yours.</p>
    </Show>
  )
}

function RequestCard(props: {
  readonly request: RequestView
  readonly now: number
  readonly isOwn?: boolean
}): JSX.Element {
  const grant = () => props.request.grant
  return (
    <li class="request">
      <div class="request-main">
        <h3>
          <Link href={`/requests/${grant().id}`}>
            {props.isOwn === true ? '' : `${grant().user} → `}
            {grant().account}@{grant().target}
          </Link>
        </h3>
        <p class="quote">{visible(grant().reason)}</p>
        <p class="muted">
          {grant().trigger} · {grant().id}
          <Show when={grant().vouchedBy}>{(by) => <> · vouched for by {by()}</>}</Show>
        </p>
      </div>
      <WaitingFacts request={props.request} now={props.now} />
      <Link class="button" href={`/requests/${grant().id}`}>
        {props.request.may.decide ? 'Decide' : 'Open'}
      </Link>
    </li>
  )
}

/** Who was asked, for how long, whether anyone was reached, and what may be done meanwhile. */
export function WaitingFacts(props: { readonly request: RequestView; readonly now: number }): JSX.Element {
  const grant = () => props.request.grant
  return (
    <Show when={props.request.waiting}>
      {(waiting) => {
        const leftMs = (inMs: number) => Math.max(0, props.now + inMs - serverNow())
        return (
          <dl class="waiting-facts">
            <div>
              <dt>Approvers</dt>
              <dd>{waiting().asked.join(', ') || 'nobody can approve it now'}</dd>
            </div>
            <div>
              <dt>Waits</dt>
              <dd class="ticking" role="timer">
                {clock((serverNow() - grant().requestedAt) / 1000)}
              </dd>
            </div>
            <div>
              <dt>Alert</dt>
              <dd>
                {waiting().announcedAt === null
                  ? 'no channel has taken it yet'
                  : `taken ${when(waiting().announcedAt ?? 0, serverNow())}`}
              </dd>
            </div>
            <div>
              <dt>Alone</dt>
              <dd>
                <Show when={waiting().overrideInMs !== null} fallback="never">
                  <Show when={leftMs(waiting().overrideInMs ?? 0) > 0} fallback="now, with a longer reason">
                    in <span class="countdown">{clock(leftMs(waiting().overrideInMs ?? 0) / 1000)}</span>
                  </Show>
                </Show>
              </dd>
            </div>
            <div>
              <dt>Lapses</dt>
              <dd>
                in <span class="countdown">{clock(leftMs(waiting().lapsesInMs) / 1000)}</span>
              </dd>
            </div>
          </dl>
        )
      }}
    </Show>
  )
}

function Denials(props: { readonly denials: RequestList['denials']; readonly onLifted: () => void }): JSX.Element {
  const act = createAct()
  const lift = (denial: RequestList['denials'][number]) =>
    act.run(async () => {
      await act.stepUp()
      const { user, target, account } = denial
      await post('/api/denials/lift', { user, target, account, comment: '' })
      props.onLifted()
    })
  return (
    <section aria-labelledby="denials-title">
      <h2 id="denials-title">Denials that still stand</h2>
      <p class="muted">For four hours nobody goes ahead alone after a denial. Lifting it lets them ask as usual.</p>
      <CodeField act={act} />
      <ul class="request-list">
        <For each={props.denials}>
          {(denial) => (
            <li class="request">
              <div class="request-main">
                <h3>
                  <Link href={`/requests/${denial.id}`}>
                    {denial.user} → {denial.account}@{denial.target}
                  </Link>
                </h3>
                <p class="muted">denied {when(denial.at, serverNow())}</p>
              </div>
              <button class="button" type="button" disabled={act.isBusy()} onClick={() => void lift(denial)}>
                Lift
              </button>
            </li>
          )}
        </For>
      </ul>
    </section>
  )
}

function History(props: { readonly grants: readonly Grant[]; readonly me: Me }): JSX.Element {
  return (
    <section aria-labelledby="history-title">
      <h2 id="history-title">What became of it</h2>
      <Show when={props.grants.length > 0} fallback={<p class="muted">Nothing has been asked for yet.</p>}>
        <ul class="history">
          <For each={props.grants}>
            {(grant) => (
              <li>
                <time title={utc(grant.requestedAt)}>{when(grant.requestedAt, serverNow())}</time>
                <Link href={`/requests/${grant.id}`}>
                  {grant.user === props.me.user ? '' : `${grant.user} → `}
                  {grant.account}@{grant.target}
                </Link>
                <span class="muted">{visible(grant.reason)}</span>
                <GrantBadge grant={grant} />
              </li>
            )}
          </For>
        </ul>
      </Show>
    </section>
  )
}

/** How it stands with a grant, in a word. */
export function GrantBadge(props: { readonly grant: Grant }): JSX.Element {
  const words: Readonly<Record<Grant['state'], readonly [string, string]>> = {
    requested: ['Waiting', 'badge badge-warn'],
    active: ['Active', 'badge badge-live'],
    denied: ['Denied', 'badge badge-bad'],
    lapsed: ['Lapsed', 'badge'],
    'awaiting-review': ['Ended, to be reviewed', 'badge badge-ended'],
    reviewed: ['Reviewed', 'badge badge-sealed'],
  }
  const took = () => {
    const { activatedAt, endedAt } = props.grant
    return activatedAt === null || endedAt === null ? undefined : `open for ${duration(endedAt - activatedAt)}`
  }
  return (
    <span class={words[props.grant.state][1]} title={took()}>
      {words[props.grant.state][0]}
    </span>
  )
}
