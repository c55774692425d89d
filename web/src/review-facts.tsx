// What was granted, to whom, by which rule, and who had a part in it.

import { For, Show, type JSX } from 'solid-js'
import type { ReviewDetail } from '../../src/http/api.ts'
import { duration, utc, visible } from './format.ts'

type Case = ReviewDetail['review']

interface Fact {
  readonly name: string
  readonly value: string
  readonly note?: string
  readonly isLoud?: boolean
}

export function ReviewFacts(props: { readonly review: Case }): JSX.Element {
  return (
    <dl class="review-facts">
      <For each={factsOf(props.review)}>
        {(fact) => (
          <div class="fact" classList={{ 'is-loud': fact.isLoud === true }}>
            <dt>{fact.name}</dt>
            <dd>
              {visible(fact.value)}
              <Show when={fact.note}>{(note) => <small>{visible(note())}</small>}</Show>
            </dd>
          </div>
        )}
      </For>
    </dl>
  )
}

function factsOf({ grant, reviewers }: Case): Fact[] {
  const { override, end, vouchedBy, unannouncedAt } = grant
  const scope = [...grant.databases, ...grant.commands].join(', ')
  const facts: (Fact | false)[] = [
    { name: 'Asked', value: `${grant.user} from ${grant.requestedFrom}`, note: utc(grant.requestedAt) },
    { name: 'Policy', value: grant.policy, note: `rule ${grant.rule}` },
    scope !== '' && { name: 'Scope', value: scope },
    ...grant.checks.map(({ check, outcome, detail, onError }) => ({
      name: `Check ${check}`,
      value: outcome === 'met' ? 'met' : outcome === 'not-met' ? 'not met' : `no answer, and then: ${onError}`,
      note: detail,
      isLoud: outcome !== 'met',
    })),
    grant.approvals.length === 0 && override === null && { name: 'Approved', value: 'by nobody: self-activated' },
    ...grant.approvals.map(({ by, at, comment }) => ({
      name: 'Approved',
      value: `by ${by}`,
      note: [utc(at), comment].filter(Boolean).join(' · '),
    })),
    override !== null && {
      name: 'Overridden',
      value: override.reason,
      note: `by ${override.by}, ${utc(override.at)}`,
      isLoud: true,
    },
    vouchedBy !== null && {
      name: 'Vouched for',
      value: `by ${vouchedBy}`,
      note: `${grant.user} had no second factor`,
      isLoud: true,
    },
    unannouncedAt !== null && {
      name: 'Unannounced',
      value: 'a session opened though no channel had taken the alert',
      note: utc(unannouncedAt),
      isLoud: true,
    },
    grant.activatedAt !== null && {
      name: 'Active',
      value: duration((grant.endedAt ?? grant.activatedAt) - grant.activatedAt),
      note: `${utc(grant.activatedAt)} to ${grant.endedAt === null ? 'now' : utc(grant.endedAt)}`,
    },
    ...grant.extensions.map(({ by, at, reason }) => ({
      name: 'Extended',
      value: reason,
      note: `by ${by}, ${utc(at)}`,
    })),
    end !== null && { name: 'Ended', value: `${end.how} by ${end.by}`, note: end.reason },
    grant.drill && { name: 'Drill', value: 'a rehearsal on a canary target' },
    grant.reviewDueAt !== null && {
      name: 'Review due',
      value: utc(grant.reviewDueAt),
      note: reviewers.length === 0 ? 'nobody may review it: tell an admin' : `for ${reviewers.join(', ')}`,
    },
  ]
  return facts.filter((fact) => fact !== false)
}
