// One review: what was granted, what was done under it, and the verdict. Made to be printed as well.

import { createSignal, For, Match, Show, Switch, type JSX } from 'solid-js'
import type { ReviewDetail } from '../../src/http/api.ts'
import { get, Problem } from './api.ts'
import { version } from './feed.ts'
import { duration, number, utc, visible, when } from './format.ts'
import { Icon } from './icons.tsx'
import { Failure, Loading, NothingHere, sentence } from './notes.tsx'
import { createQuery } from './query.ts'
import { ReviewFacts } from './review-facts.tsx'
import { VerdictForm } from './review-form.tsx'
import { Verdicts } from './review-verdict.tsx'
import { GrantMarks, StandingBadge } from './reviews.tsx'
import { Link } from './router.tsx'
import { learnTime, serverNow } from './server-time.ts'
import { kindOf, subject } from './sessions.tsx'
import { TakeAwayDialog } from './take-away-dialog.tsx'

type Case = ReviewDetail['review']

export function ReviewPage(props: { readonly grant: string }): JSX.Element {
  const found = createQuery(
    () => `${version('grants')()} ${version('sessions')()} ${version('views')()}`,
    async () => {
      const answer = await get<ReviewDetail>(`/api/reviews/${props.grant}`)
      learnTime(answer.now)
      return answer.review
    },
  )
  const isMissing = () => found.error() instanceof Problem && (found.error() as Problem).status === 404
  return (
    <div class="page review-page">
      <Show
        when={found.data()}
        fallback={
          <Switch fallback={<Loading what="review" />}>
            <Match when={isMissing()}>
              <NothingHere />
            </Match>
            <Match when={found.error()}>
              <Failure error={found.error()} onRetry={found.again} />
            </Match>
          </Switch>
        }
      >
        {(review) => <Review review={review()} onChanged={found.again} />}
      </Show>
    </div>
  )
}

function Review(props: { readonly review: Case; readonly onChanged: () => void }): JSX.Element {
  const grant = () => props.review.grant
  const [isReopening, setReopening] = createSignal(false)
  return (
    <>
      <header class="review-head">
        <Link class="back no-print" href="/reviews" aria-label="All reviews">
          ←
        </Link>
        <h1>
          {grant().user} <span class="arrow">→</span> {grant().account}@{grant().target}
        </h1>
        <StandingBadge item={props.review} />
        <span class="review-tools no-print">
          <button class="button" type="button" onClick={() => window.print()}>
            Print
          </button>
          <Show when={props.review.may.reopen}>
            <button class="button button-danger" type="button" onClick={() => setReopening(true)}>
              Re-open
            </button>
          </Show>
        </span>
      </header>
      <p class="session-reason">
        <span class="quote">{visible(grant().reason)}</span>
        <Show when={grant().incident}>{(incident) => <span class="chip">{visible(incident())}</span>}</Show>
        <span class="chip">{grant().trigger}</span>
      </p>
      <GrantMarks grant={grant()} />
      <ReviewFacts review={props.review} />
      <Sessions review={props.review} />
      <Verdicts grant={grant()} />
      <Show when={grant().review === null}>
        <Deciding review={props.review} onChanged={props.onChanged} />
      </Show>
      <Show when={isReopening()}>
        <TakeAwayDialog
          title="Re-open this review"
          path={`/api/reviews/${grant().id}/reopen`}
          action="Re-open"
          onDone={() => {
            setReopening(false)
            props.onChanged()
          }}
          onClose={() => setReopening(false)}
        >
          <p>
            The verdict on grant <strong>{grant().id}</strong> stays in the ledger as an earlier one; somebody who had
            no part in it judges anew.
          </p>
        </TakeAwayDialog>
      </Show>
    </>
  )
}

function Sessions(props: { readonly review: Case }): JSX.Element {
  return (
    <section class="review-sessions" aria-labelledby="review-sessions">
      <h2 id="review-sessions">What was done</h2>
      <Show
        when={props.review.sessions.length > 0}
        fallback={<p class="muted">No session: the glass was broken, and nobody went in.</p>}
      >
        <ul>
          <For each={props.review.sessions}>{(each) => <Watched {...each} />}</For>
        </ul>
      </Show>
    </section>
  )
}

function Watched(props: Case['sessions'][number]): JSX.Element {
  const percent = () => Math.floor(props.evidence.share * 100)
  const took = () =>
    props.session.endedAt === null ? 'still running' : duration(props.session.endedAt - props.session.openedAt)
  return (
    <li class="review-session">
      <span class="kind" title={kindOf(props.session).label}>
        <Icon name={kindOf(props.session).icon} />
      </span>
      <span class="lines">
        <Link class="session-link" href={`/sessions/${props.session.id}`}>
          {subject(props.session)}
        </Link>
        <small>
          <time title={utc(props.session.openedAt)}>{when(props.session.openedAt, serverNow())}</time> · {took()} ·{' '}
          <span title={props.evidence.root ?? undefined}>
            {props.evidence.root === null ? 'being sealed' : `root ${props.evidence.root.slice(0, 16)}…`}
          </span>
        </small>
        <Show when={props.risky > 0}>
          <small class="review-risky" title="by its words, it destroys something or hands out access">
            {number(props.risky)} risky
          </small>
        </Show>
      </span>
      <Switch>
        <Match when={props.evidence.damage}>
          {(damage) => <span class="badge badge-bad">{damage()}: not to be seen whole</span>}
        </Match>
        <Match when={props.evidence.root === null}>
          <span class="badge">Sealing</span>
        </Match>
        <Match when={true}>
          <span class="review-share">
            <progress aria-hidden="true" max="100" value={percent()} />
            <span classList={{ 'is-missing': percent() === 0 && props.evidence.share === 0 }}>
              opened by you: {percent()} %
            </span>
          </span>
        </Match>
      </Switch>
    </li>
  )
}

function Deciding(props: { readonly review: Case; readonly onChanged: () => void }): JSX.Element {
  return (
    <section class="review-deciding no-print" aria-labelledby="review-deciding">
      <h2 id="review-deciding">Verdict</h2>
      <Show
        when={props.review.may.decide}
        fallback={
          <p class="muted">
            {sentence(props.review.obstacle?.message ?? 'there is nothing to decide')}.{' '}
            <Show when={props.review.obstacle?.hint}>{(hint) => sentence(hint())}</Show>
          </p>
        }
      >
        <VerdictForm review={props.review} onDone={props.onChanged} />
      </Show>
    </section>
  )
}
