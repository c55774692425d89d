// Targets and policies: what there is, and the simulator: who could get what, when, from where, and why.

import { createMemo, createSignal, For, Match, Show, Switch, type JSX } from 'solid-js'
import type { Clause, Explanation } from '../../src/access/explain.ts'
import type { PolicyList, TargetList } from '../../src/http/api.ts'
import type { Simulation } from '../../src/procedure/explanation.ts'
import { get } from './api.ts'
import { version } from './feed.ts'
import { duration, utc, visible, when } from './format.ts'
import { Icon } from './icons.tsx'
import { Empty, Failure, Loading, sentence } from './notes.tsx'
import { createQuery } from './query.ts'
import { serverNow } from './server-time.ts'

type Policy = PolicyList['policies'][number]

export function PolicyPage(): JSX.Element {
  const page = createQuery(version('grants'), async () => {
    const [policies, targets] = await Promise.all([get<PolicyList>('/api/policies'), get<TargetList>('/api/targets')])
    return { policies, targets }
  })
  return (
    <Switch fallback={<Loading what="policies" />}>
      <Match when={page.error()}>
        <Failure error={page.error()} onRetry={page.again} />
      </Match>
      <Match when={page.data()}>
        {(data) => (
          <div class="page policy-page">
            <div class="page-head">
              <h1>Targets and policies</h1>
            </div>
            <Configuration policies={data().policies} />
            <Show
              when={data().targets.targets.length > 0}
              fallback={
                <Empty title="No policy is about you">
                  Nothing can be asked for. An administrator writes the policies, in the configuration file.
                </Empty>
              }
            >
              <Simulator policies={data().policies} targets={data().targets} />
              <Targets targets={data().targets.targets} />
              <Policies policies={data().policies.policies} />
            </Show>
          </div>
        )}
      </Match>
    </Switch>
  )
}

/** Which file is in force; in red, that a newer one was refused. */
function Configuration(props: { readonly policies: PolicyList }): JSX.Element {
  return (
    <Show when={props.policies.configuration}>
      {(configuration) => (
        <section aria-labelledby="configuration-title">
          <h2 id="configuration-title" class="sr-only">
            Configuration
          </h2>
          <p class="muted">
            In force: <code title={configuration().sha256}>{configuration().sha256.slice(0, 12)}</code>
          </p>
          <Show when={configuration().refused}>
            {(refused) => (
              <div class="configuration-refused" role="alert">
                <Icon name="warning" />
                <div>
                  <strong>A newer file was refused</strong>{' '}
                  <small title={utc(refused().at)}>{when(refused().at, serverNow())}</small>
                  <p>{visible(refused().problem)}</p>
                </div>
              </div>
            )}
          </Show>
        </section>
      )}
    </Show>
  )
}

function Simulator(props: { readonly policies: PolicyList; readonly targets: TargetList }): JSX.Element {
  const [user, setUser] = createSignal('')
  const [target, setTarget] = createSignal('')
  const [account, setAccount] = createSignal('')
  const [at, setAt] = createSignal('')
  const [from, setFrom] = createSignal('')
  const accounts = () => props.targets.targets.find(({ name }) => name === target())?.accounts ?? []
  const query = createMemo(() => {
    const asked = new URLSearchParams()
    const given = { user: user(), target: target(), at: at(), from: from().trim() }
    for (const [name, value] of Object.entries(given)) if (value !== '') asked.set(name, value)
    if (target() !== '' && account() !== '') asked.set('account', account())
    return asked.toString()
  })
  const explained = createQuery(
    () => (target() === '' ? undefined : query()),
    async (asked) => (asked === undefined ? undefined : get<Explanation>(`/api/explain?${asked}`)),
  )
  const simulated = createQuery(
    () => (target() === '' ? query() : undefined),
    async (asked) => (asked === undefined ? undefined : get<Simulation>(`/api/simulate?${asked}`)),
  )
  return (
    <section class="simulator" aria-labelledby="simulator-title">
      <h2 id="simulator-title">
        <Icon name="search" /> Who could get what
      </h2>
      <form class="simulator-form" onSubmit={(event) => event.preventDefault()}>
        <Show when={props.policies.mayAskAboutOthers}>
          <Choice name="user" label="User" none="everybody" of={props.policies.users} onChoose={setUser} />
        </Show>
        <Choice
          name="target"
          label="Target"
          none="every target"
          of={props.targets.targets.map(({ name }) => name)}
          onChoose={(name) => {
            setTarget(name)
            setAccount('')
          }}
        />
        <Show when={target() !== ''}>
          <Choice name="account" label="Account" none="the least" of={accounts()} onChoose={setAccount} />
        </Show>
        <label class="field">
          <span>At (UTC)</span>
          <input name="at" type="datetime-local" value={at()} onInput={(event) => setAt(event.currentTarget.value)} />
        </label>
        <label class="field">
          <span>From</span>
          <input
            name="from"
            type="text"
            maxlength="64"
            autocomplete="off"
            spellcheck={false}
            placeholder="where you are"
            value={from()}
            onChange={(event) => setFrom(event.currentTarget.value)}
          />
        </label>
      </form>
      <div aria-live="polite">
        <Switch>
          <Match when={explained.error() ?? simulated.error()}>{(error) => <Failure error={error()} />}</Match>
          <Match when={target() !== '' && explained.data()}>{(answer) => <Why explanation={answer()} />}</Match>
          <Match when={target() === '' && simulated.data()}>{(answer) => <Offers simulation={answer()} />}</Match>
        </Switch>
      </div>
    </section>
  )
}

function Choice(props: {
  readonly name: string
  readonly label: string
  readonly none: string
  readonly of: readonly string[]
  readonly onChoose: (name: string) => void
}): JSX.Element {
  return (
    <label class="field">
      <span>{props.label}</span>
      <select name={props.name} onChange={(event) => props.onChoose(event.currentTarget.value)}>
        <option value="">{props.none}</option>
        <For each={props.of}>{(name) => <option value={name}>{name}</option>}</For>
      </select>
    </label>
  )
}

function Offers(props: { readonly simulation: Simulation }): JSX.Element {
  return (
    <Show when={props.simulation.rows.length > 0} fallback={<p>Nobody could get anything then.</p>}>
      <ul class="offers">
        <For each={props.simulation.rows}>
          {(row) => (
            <li>
              <strong>{row.user}</strong>
              <span>
                {row.account}@{row.target}
              </span>
              <span class={row.required === 0 ? 'badge badge-warn' : 'badge'}>
                {row.required === 0 ? 'at once' : `${row.required} to approve`}
              </span>
              <small class="muted">
                {duration(row.durationMs)}, {row.policy}
              </small>
            </li>
          )}
        </For>
      </ul>
      <Show when={props.simulation.isCut}>
        <p class="muted">There is more: choose a user or a target.</p>
      </Show>
    </Show>
  )
}

function Why(props: { readonly explanation: Explanation }): JSX.Element {
  const sorted = () =>
    [...props.explanation.policies].sort((one, other) => Number(other.isChosen) - Number(one.isChosen))
  return (
    <>
      <p class={props.explanation.outcome === 'deny' ? 'answer is-refused' : 'answer'}>
        <strong>{visible(props.explanation.message)}</strong>
        <Show when={props.explanation.hint}>{(hint) => <small>{sentence(visible(hint()))}</small>}</Show>
      </p>
      <For each={sorted()}>
        {(policy) => (
          <details class="why" open={policy.isChosen}>
            <summary>
              {policy.policy}
              <Show when={policy.isChosen}>
                <span class="badge badge-sealed">answers</span>
              </Show>
              <Show when={policy.because}>{(because) => <small class="muted">{because()}</small>}</Show>
            </summary>
            <ul>
              <For each={policy.clauses}>{(clause) => <ClauseRow clause={clause} />}</For>
            </ul>
          </details>
        )}
      </For>
    </>
  )
}

const marks = {
  passed: ['badge badge-sealed', 'yes'],
  failed: ['badge badge-bad', 'no'],
  open: ['badge', 'open'],
} as const

function ClauseRow(props: { readonly clause: Clause }): JSX.Element {
  return (
    <li>
      <span class={marks[props.clause.outcome][0]}>{marks[props.clause.outcome][1]}</span>
      <strong>{props.clause.clause}</strong>
      <span>{visible(props.clause.detail)}</span>
    </li>
  )
}

function Targets(props: { readonly targets: TargetList['targets'] }): JSX.Element {
  return (
    <section aria-labelledby="targets-title">
      <h2 id="targets-title">
        <Icon name="terminal" /> Targets
      </h2>
      <ul class="target-list">
        <For each={props.targets}>
          {(target) => (
            <li>
              <strong>{target.name}</strong> <span class="badge">{target.kind}</span>
              <Show when={target.isCanary}>
                {' '}
                <span class="badge badge-sealed" title="holds nothing of value: drills open it">
                  canary
                </span>
              </Show>
              <small class="muted">
                {Object.entries(target.labels)
                  .map(([label, value]) => `${label}=${value}`)
                  .join(' ')}
              </small>
              <span>{target.accounts.join(', ')}</span>
              <small class="muted">
                {target.policies.length === 0 ? 'no policy opens it' : target.policies.join(', ')}
              </small>
            </li>
          )}
        </For>
      </ul>
    </section>
  )
}

function Policies(props: { readonly policies: readonly Policy[] }): JSX.Element {
  return (
    <section aria-labelledby="policies-title">
      <h2 id="policies-title">
        <Icon name="seal" /> Policies
      </h2>
      <For each={props.policies}>
        {(policy) => (
          <details class="why">
            <summary>
              {policy.name}
              <small class="muted">
                at most {duration(policy.duration.maxMs)}, {policy.triggers.map(({ name }) => name).join(', ')}
              </small>
            </summary>
            <dl class="policy-facts">
              <dt>who</dt>
              <dd>{[...policy.who.groups, ...policy.who.users].join(', ')}</dd>
              <dt>accounts</dt>
              <dd>{policy.accounts.join(', ')}</dd>
              <dt>approval</dt>
              <dd>
                {policy.approval
                  .map(({ when, required }) => `${when.account ?? when.trigger ?? 'otherwise'}: ${required}`)
                  .join('; ')}
              </dd>
              <dt>told</dt>
              <dd>{policy.alerts.channels.join(', ')}</dd>
              <dt>reviewed</dt>
              <dd>
                within {duration(policy.review.withinMs)} by{' '}
                {[...policy.review.by.groups, ...policy.review.by.roles].join(', ')}
              </dd>
              <dt>hash</dt>
              <dd>
                <code>{policy.hash}</code>
              </dd>
            </dl>
          </details>
        )}
      </For>
    </section>
  )
}
