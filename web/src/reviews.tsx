// What waits to be looked at, the most urgent first; behind it what was judged, and how reviewing goes.

import { createSignal, For, Match, Show, Switch, type JSX } from 'solid-js'
import type { ReviewStatistics } from '../../src/access/review-statistics.ts'
import type { Me, ReviewList } from '../../src/http/api.ts'
import { get } from './api.ts'
import { version } from './feed.ts'
import { clock, duration, utc, visible, when } from './format.ts'
import { Icon } from './icons.tsx'
import { Empty, Failure, Loading } from './notes.tsx'
import { createQuery } from './query.ts'
import { go, Link } from './router.tsx'
import { learnTime, serverNow } from './server-time.ts'
import { overseers } from './shell.tsx'

type Item = ReviewList['reviews'][number]

const choices = [
  { name: 'waiting', label: 'Waiting' },
  { name: 'all', label: 'All' },
] as const

export function ReviewsPage(props: { readonly me: Me }): JSX.Element {
  const [shown, setShown] = createSignal<(typeof choices)[number]['name']>('waiting')
  const queue = createQuery(
    () => `${shown()} ${version('grants')()}`,
    async () => {
      const list = await get<ReviewList>(`/api/reviews${shown() === 'all' ? '?all=1' : ''}`)
      learnTime(list.now)
      return list.reviews
    },
  )
  return (
    <div class="page">
      <header class="page-head">
        <h1>Reviews</h1>
        <div class="filters">
          <div class="segments" role="group" aria-label="Which reviews">
            <For each={choices}>
              {(choice) => (
                <button type="button" aria-pressed={shown() === choice.name} onClick={() => setShown(choice.name)}>
                  {choice.label}
                </button>
              )}
            </For>
          </div>
        </div>
      </header>
      <Show
        when={queue.data()}
        fallback={
          <Show when={queue.error()} fallback={<Loading what="reviews" />}>
            <Failure error={queue.error()} onRetry={queue.again} />
          </Show>
        }
      >
        {(items) => (
          <Show
            when={items().length > 0}
            fallback={
              <Empty title="Nothing waits for review">
                Every grant that ended is reviewed by somebody who had no part in it.
              </Empty>
            }
          >
            <ul class="review-list">
              <For each={items()}>{(item) => <Row item={item} />}</For>
            </ul>
          </Show>
        )}
      </Show>
      <Show when={overseers.some((role) => props.me.roles.includes(role))}>
        <Statistics />
      </Show>
    </div>
  )
}

function Row(props: { readonly item: Item }): JSX.Element {
  const grant = () => props.item.grant
  const href = () => `/reviews/${grant().id}`
  return (
    <li
      class="review-row"
      classList={{ 'is-overdue': isOverdue(props.item) }}
      onClick={(event) => {
        if (!(event.target instanceof Element) || event.target.closest('a') === null) go(href())
      }}
    >
      <div class="review-what">
        <Link class="review-link" href={href()}>
          <strong>{grant().user}</strong> <span class="arrow">→</span> {grant().account}@{grant().target}
        </Link>
        <p class="quote">{visible(grant().reason)}</p>
        <p class="muted">
          {[grant().trigger, grant().incident, `grant ${grant().id}`]
            .filter(Boolean)
            .map((part) => visible(String(part)))
            .join(' · ')}
        </p>
        <GrantMarks grant={grant()} />
      </div>
      <div class="review-when">
        <StandingBadge item={props.item} />
        <small>{byWhom(props.item)}</small>
      </div>
    </li>
  )
}

function byWhom({ grant, may, reviewers }: Item): string {
  if (grant.review !== null) return `by ${grant.review.by}, ${when(grant.review.at, serverNow())}`
  if (may.decide) return 'yours to review'
  return reviewers.length === 0 ? 'nobody may review it: tell an admin' : `for ${reviewers.slice(0, 3).join(', ')}`
}

/** Overdue by the server's clock, also when its time comes while the page is open. */
export function isOverdue({ grant, standing }: Pick<Item, 'grant' | 'standing'>): boolean {
  return standing.kind === 'overdue' || (standing.kind === 'due' && (grant.reviewDueAt ?? 0) <= serverNow())
}

/** How the review stands, with a countdown that runs. */
export function StandingBadge(props: { readonly item: Pick<Item, 'grant' | 'standing'> }): JSX.Element {
  const grant = () => props.item.grant
  const seconds = () => ((grant().reviewDueAt ?? 0) - serverNow()) / 1000
  return (
    <Switch fallback={<span class="badge">Not ended yet</span>}>
      <Match when={grant().review}>{(review) => <VerdictBadge verdict={review().verdict} />}</Match>
      <Match when={isOverdue(props.item)}>
        <span class="badge badge-bad" title={utc(grant().reviewDueAt ?? 0)}>
          <Icon name="warning" />
          Overdue <span class="countdown">{clock(-seconds())}</span>
        </span>
      </Match>
      <Match when={props.item.standing.kind === 'due'}>
        <span class="badge" classList={{ 'badge-warn': seconds() < 3_600 }} title={utc(grant().reviewDueAt ?? 0)}>
          Due in <span class="countdown">{clock(seconds())}</span>
        </span>
      </Match>
    </Switch>
  )
}

export function VerdictBadge(props: { readonly verdict: 'emergency' | 'mistake' | 'misuse' }): JSX.Element {
  const look = { emergency: 'badge badge-sealed', mistake: 'badge badge-warn', misuse: 'badge badge-bad' } as const
  const words = { emergency: 'Emergency', mistake: 'Mistake', misuse: 'Misuse' } as const
  return <span class={look[props.verdict]}>{words[props.verdict]}</span>
}

/** What makes a grant stand out: nobody was told, nobody had agreed, somebody spoke for the person. */
export function GrantMarks(props: { readonly grant: Item['grant'] }): JSX.Element {
  const marks = () =>
    [
      props.grant.unannouncedAt === null ? null : 'unannounced',
      props.grant.override === null ? null : 'overridden',
      props.grant.vouchedBy === null ? null : `vouched for by ${props.grant.vouchedBy}`,
      props.grant.extensions.length === 0 ? null : 'extended',
      props.grant.drill ? 'drill' : null,
      props.grant.earlierReviews.length === 0 ? null : 're-opened',
    ].filter((mark) => mark !== null)
  return (
    <Show when={marks().length > 0}>
      <p class="review-marks">
        <For each={marks()}>{(mark) => <span class="chip">{mark}</span>}</For>
      </p>
    </Show>
  )
}

function Statistics(): JSX.Element {
  const figures = createQuery(version('grants'), () =>
    get<ReviewStatistics & { days: number }>('/api/reviews/statistics'),
  )
  return (
    <Show when={figures.data()}>
      {(all) => (
        <section class="review-figures" aria-label="How reviewing goes">
          <h2>The last {all().days} days</h2>
          <dl>
            <Figure name="Reviewed" value={String(all().reviewed)} />
            <Figure name="In time" value={all().reviewed === 0 ? '–' : `${share(all().onTime, all().reviewed)} %`} />
            <Figure name="Median time" value={took(all().medianMs)} />
            <Figure name="Emergencies" value={String(all().byVerdict.emergency)} />
            <Figure name="Mistakes" value={String(all().byVerdict.mistake)} />
            <Figure name="Misuse" value={String(all().byVerdict.misuse)} />
            <Figure name="Waiting" value={String(all().waiting)} />
            <Figure name="Overdue" value={String(all().overdue)} />
          </dl>
          <Show when={all().perPolicy.length > 0}>
            <div class="review-table">
              <table>
                <thead>
                  <tr>
                    <th scope="col">Policy or reviewer</th>
                    <th scope="col">Reviewed</th>
                    <th scope="col">In time</th>
                    <th scope="col">Median</th>
                    <th scope="col">Misuse</th>
                  </tr>
                </thead>
                <tbody>
                  <For each={[...all().perPolicy, ...all().perReviewer]}>
                    {(row) => (
                      <tr>
                        <th scope="row">{'policy' in row ? row.policy : `by ${row.reviewer}`}</th>
                        <td>{row.reviewed}</td>
                        <td>{share(row.onTime, row.reviewed)} %</td>
                        <td>{took(row.medianMs)}</td>
                        <td>{row.byVerdict.misuse}</td>
                      </tr>
                    )}
                  </For>
                </tbody>
              </table>
            </div>
          </Show>
        </section>
      )}
    </Show>
  )
}

function Figure(props: { readonly name: string; readonly value: string }): JSX.Element {
  return (
    <div class="review-figure">
      <dt>{props.name}</dt>
      <dd>{props.value}</dd>
    </div>
  )
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.round((part / whole) * 100)
}

function took(ms: number | null): string {
  return ms === null ? '–' : duration(ms)
}
