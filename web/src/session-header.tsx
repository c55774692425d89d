// Everything that was known when the session opened, and what its seal says.

import { createSignal, For, Show, type JSX } from 'solid-js'
import type { SessionView } from '../../src/http/api.ts'
import { StateBadge } from './badges.tsx'
import { clock, duration, number, size, utc, visible, when } from './format.ts'
import { Icon } from './icons.tsx'
import { Link } from './router.tsx'
import { serverNow } from './server-time.ts'
import { kindOf, subject } from './sessions.tsx'

export function SessionHeader(props: {
  readonly session: SessionView
  readonly mayKill: boolean
  readonly onKill: () => void
}): JSX.Element {
  const session = () => props.session
  return (
    <header class="session-header">
      <div class="session-title">
        <Link class="back" href="/" aria-label="All sessions">
          ←
        </Link>
        <span class="kind" title={kindOf(session()).label}>
          <Icon name={kindOf(session()).icon} />
        </span>
        <h1>
          {session().user} <span class="arrow">→</span> {session().account}@{session().target}
        </h1>
        <StateBadge session={session()} />
        <span class="session-actions">
          <Show when={session().state === 'sealed'}>
            <a class="button" href={`/api/sessions/${session().id}/recording`} download="">
              <Icon name="download" /> Recording
            </a>
          </Show>
          <Show when={props.mayKill}>
            <button class="button button-danger" type="button" onClick={() => props.onKill()}>
              <Icon name="kill" /> Kill
            </button>
          </Show>
        </span>
      </div>
      <p class="session-reason">
        <span class="quote">{visible(session().granted?.reason ?? 'no reason on record')}</span>
        <Show when={session().granted?.incident}>{(incident) => <span class="chip">{visible(incident())}</span>}</Show>
        <Show when={session().granted?.trigger}>{(trigger) => <span class="chip">{trigger()}</span>}</Show>
      </p>
      <Facts session={session()} />
    </header>
  )
}

function Facts(props: { readonly session: SessionView }): JSX.Element {
  const facts = () => factsOf(props.session)
  return (
    <details class="facts" open={window.matchMedia('(min-width: 1000px)').matches}>
      <summary>
        <span>Who, how and what is proven</span>
        <small>{factLine(props.session)}</small>
      </summary>
      <dl>
        <For each={facts()}>
          {(fact) => (
            <div class="fact">
              <dt>{fact.name}</dt>
              <dd>
                {fact.value}
                <Show when={fact.note}>{(note) => <small>{note()}</small>}</Show>
                <Show when={fact.copy}>{(text) => <Copy text={text()} />}</Show>
              </dd>
            </div>
          )}
        </For>
      </dl>
    </details>
  )
}

interface Fact {
  readonly name: string
  readonly value: JSX.Element
  readonly note?: string
  readonly copy?: string
}

function factLine(session: SessionView): string {
  return `${session.mfa} from ${session.address} · ${when(session.openedAt, serverNow())}`
}

function factsOf(session: SessionView): Fact[] {
  const { granted, seal } = session
  const facts: (Fact | false)[] = [
    {
      name: 'Person',
      value: session.user,
      note: `${session.mfa}, key ${session.fingerprint.slice(0, 18)}…`,
      copy: session.fingerprint,
    },
    { name: 'From', value: session.address, note: kindOf(session).label },
    {
      name: 'To',
      value: `${session.account}@${session.target}`,
      note: session.database === null ? subject(session) : `database ${session.database} · ${subject(session)}`,
    },
    { name: 'Opened', value: when(session.openedAt, serverNow()), note: utc(session.openedAt) },
    session.endedAt === null
      ? { name: 'Running for', value: clock((serverNow() - session.openedAt) / 1000) }
      : {
          name: 'Ended after',
          value: duration(session.endedAt - session.openedAt),
          note: visible(session.end?.message ?? ''),
        },
    granted !== null && {
      name: 'Grant',
      value: granted.id,
      note: approvedBy(granted),
    },
    granted !== null && { name: 'Policy', value: granted.policy, note: granted.rule, copy: granted.policyHash },
    seal === null
      ? { name: 'Recording', value: 'every line durable before it takes effect', note: 'sealed when the session ends' }
      : {
          name: 'Recording',
          value: sealWord(seal.state),
          note: `root ${seal.root.slice(0, 16)}… · ${number(seal.lines)} events · ${size(seal.sizeBytes)}`,
          copy: seal.root,
        },
  ]
  return facts.filter((fact) => fact !== false)
}

function sealWord(state: NonNullable<SessionView['seal']>['state']): string {
  switch (state) {
    case 'complete':
      return 'sealed, complete'
    case 'interrupted':
      return 'sealed, interrupted'
    case 'damaged':
      return 'sealed, part of it damaged'
  }
}

function approvedBy(granted: NonNullable<SessionView['granted']>): string {
  const vouched = granted.vouchedBy === null ? '' : `, vouched for by ${granted.vouchedBy}`
  if (granted.override !== null) return `overridden by ${granted.override.by}${vouched}`
  if (granted.approvals.length === 0) return `self-activated${vouched}`
  return `approved by ${granted.approvals.map((approval) => approval.by).join(', ')}${vouched}`
}

function Copy(props: { readonly text: string }): JSX.Element {
  const [isDone, setDone] = createSignal(false)
  const copy = async () => {
    await navigator.clipboard.writeText(props.text)
    setDone(true)
    setTimeout(() => setDone(false), 1_500)
  }
  return (
    <button
      class="icon-button copy"
      type="button"
      title={`Copy ${props.text}`}
      aria-label="Copy"
      onClick={() => void copy()}
    >
      <Show when={isDone()} fallback={<Icon name="copy" />}>
        <span aria-live="polite">✓</span>
      </Show>
    </button>
  )
}
