// What was decided on a grant: the verdict in force, and those that were taken back.

import { For, Show, type JSX } from 'solid-js'
import type { ReviewDetail } from '../../src/http/api.ts'
import { utc, visible } from './format.ts'
import { VerdictBadge } from './reviews.tsx'

type Grant = ReviewDetail['review']['grant']
type Passed = NonNullable<Grant['review']>

export function Verdicts(props: { readonly grant: Grant }): JSX.Element {
  return (
    <>
      <Show when={props.grant.review}>
        {(review) => (
          <section class="review-verdict" aria-label="Verdict">
            <h2>Verdict</h2>
            <Verdict passed={review()} />
          </section>
        )}
      </Show>
      <Show when={props.grant.earlierReviews.length > 0}>
        <section class="review-verdict" aria-label="Earlier reviews">
          <h2>Earlier reviews</h2>
          <For each={[...props.grant.earlierReviews].reverse()}>
            {(earlier) => (
              <>
                <p class="review-reopened">
                  Re-opened by {earlier.reopened.by}, {utc(earlier.reopened.at)}: {visible(earlier.reopened.reason)}
                </p>
                <Verdict passed={earlier} />
              </>
            )}
          </For>
        </section>
      </Show>
    </>
  )
}

function Verdict(props: { readonly passed: Passed }): JSX.Element {
  const passed = () => props.passed
  return (
    <article class="verdict">
      <p>
        <VerdictBadge verdict={passed().verdict} /> by {passed().by}, {utc(passed().at)}
        <Show when={passed().at > passed().dueAt}>
          <span class="badge badge-warn">Late</span>
        </Show>
      </p>
      <Show when={passed().findings !== ''}>
        <p class="verdict-findings">{visible(passed().findings)}</p>
      </Show>
      <ul class="verdict-answers">
        <For each={passed().checklist}>
          {({ question, answer }) => (
            <li>
              <strong>{answer}</strong> {visible(question)}
            </li>
          )}
        </For>
      </ul>
      <Show when={passed().followUps.length > 0}>
        <h3>Follow-ups</h3>
        <ul class="verdict-follow-ups">
          <For each={passed().followUps}>{(each) => <li>{visible(each)}</li>}</For>
        </ul>
      </Show>
      <p class="verdict-bound">
        <For each={passed().sessions}>
          {({ session, root, share, damage }) => (
            <small>
              {session}: {Math.floor(share * 100)} % of <code>{(root ?? '').slice(0, 16)}…</code>{' '}
              {damage === undefined ? '' : `(${damage})`}
            </small>
          )}
        </For>
        <small>
          Statement <code>{passed().statement}</code>: Halligan's own, given after {passed().by}'s second factor.
        </small>
      </p>
    </article>
  )
}
