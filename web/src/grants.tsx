// Grants that open doors right now, how long still, and the way to end them. Below: who was told.

import { createRenderEffect, createSignal, For, Show, type JSX } from 'solid-js'
import type { AlertView, GrantList, GrantView, Me } from '../../src/http/api.ts'
import { get } from './api.ts'
import { version } from './feed.ts'
import { clock, utc, visible, when } from './format.ts'
import { Icon } from './icons.tsx'
import { LockPanel } from './locks.tsx'
import { Empty, Failure, Loading } from './notes.tsx'
import { createQuery } from './query.ts'
import { learnTime, serverNow } from './server-time.ts'
import { TakeAwayDialog } from './take-away-dialog.tsx'

export function GrantsPage(props: { readonly me: Me }): JSX.Element {
  const grants = createQuery(
    () => `${version('grants')()} ${version('sessions')()}`,
    async () => {
      const list = await get<GrantList>('/api/grants')
      learnTime(list.now)
      return list
    },
  )
  const live = () => grants.data()?.grants.filter((grant) => (grant.expiresAt ?? 0) > serverNow()) ?? []
  const [ending, setEnding] = createSignal<GrantView>()
  const [extending, setExtending] = createSignal<GrantView>()
  const seesAlerts = () => props.me.roles.includes('reviewer') || props.me.roles.includes('admin')

  return (
    <div class="page">
      <header class="page-head">
        <h1>Active grants</h1>
      </header>
      <Show
        when={grants.data()}
        fallback={
          <Show when={grants.error()} fallback={<Loading what="grants" />}>
            <Failure error={grants.error()} onRetry={grants.again} />
          </Show>
        }
      >
        <Show
          when={live().length > 0}
          fallback={<Empty title="The glass is whole">No grant is active. Nobody can get in right now.</Empty>}
        >
          <ul class="grant-list">
            <For each={live()}>
              {(grant) => (
                <GrantCard
                  grant={grant}
                  me={props.me}
                  onEnd={() => setEnding(grant)}
                  onExtend={() => setExtending(grant)}
                />
              )}
            </For>
          </ul>
        </Show>
      </Show>
      <LockPanel />
      <Show when={seesAlerts()}>
        <Alerts />
      </Show>
      <Show when={extending()}>
        {(grant) => (
          <ExtendDialog
            grant={grant()}
            onDone={() => {
              setExtending(undefined)
              grants.again()
            }}
            onClose={() => setExtending(undefined)}
          />
        )}
      </Show>
      <Show when={ending()}>
        {(grant) => (
          <TakeAwayDialog
            title={isOwn(grant(), props.me) ? 'Give this grant back' : 'Revoke this grant'}
            path={`/api/grants/${grant().id}/revoke`}
            action={isOwn(grant(), props.me) ? 'Give back' : 'Revoke grant'}
            onDone={() => {
              setEnding(undefined)
              grants.again()
            }}
            onClose={() => setEnding(undefined)}
          >
            <p>
              Grant <strong>{grant().id}</strong> of <strong>{grant().user}</strong> on{' '}
              <strong>
                {grant().account}@{grant().target}
              </strong>{' '}
              ends at once, with {sessionsWord(grant().liveSessions)} and every secret made under it.
            </p>
          </TakeAwayDialog>
        )}
      </Show>
    </div>
  )
}

function isOwn(grant: GrantView, me: Me): boolean {
  return grant.user === me.user
}

function sessionsWord(count: number): string {
  if (count === 0) return 'no running session'
  return count === 1 ? 'its running session' : `its ${count} running sessions`
}

function ExtendDialog(props: {
  readonly grant: GrantView
  readonly onDone: () => void
  readonly onClose: () => void
}): JSX.Element {
  const [length, setLength] = createSignal('30m')
  return (
    <TakeAwayDialog
      title="Give it more time"
      path={`/api/grants/${props.grant.id}/extend`}
      action="Extend grant"
      gives
      more={() => ({ for: length().trim() })}
      onDone={props.onDone}
      onClose={props.onClose}
    >
      <p>
        Grant <strong>{props.grant.id}</strong> of <strong>{props.grant.user}</strong> on{' '}
        <strong>
          {props.grant.account}@{props.grant.target}
        </strong>{' '}
        ends {when(props.grant.expiresAt ?? 0, serverNow())}. What runs keeps its connection, everyone is told, and its
        policy caps how long it lasts.
      </p>
      <label class="field">
        <span>How much longer</span>
        <input
          name="for"
          type="text"
          required
          maxlength="20"
          pattern="([0-9]+[smhd])+"
          title="45m, 2h or 1h30m"
          autocomplete="off"
          value={length()}
          onInput={(event) => setLength(event.currentTarget.value)}
        />
      </label>
    </TakeAwayDialog>
  )
}

function GrantCard(props: {
  readonly grant: GrantView
  readonly me: Me
  readonly onEnd: () => void
  readonly onExtend: () => void
}): JSX.Element {
  const grant = () => props.grant
  const leftMs = () => Math.max(0, (grant().expiresAt ?? 0) - serverNow())
  const share = () => Math.min(1, leftMs() / Math.max(1, (grant().expiresAt ?? 0) - (grant().activatedAt ?? 0)))
  return (
    <li class="grant" classList={{ 'is-ending': leftMs() < 60_000 }}>
      <div class="grant-main">
        <h2>
          {grant().user} <span class="arrow">→</span> {grant().account}@{grant().target}
        </h2>
        <p class="quote">{visible(grant().reason)}</p>
        <p class="muted">
          {[
            `grant ${grant().id}`,
            grant().incident,
            grant().trigger,
            grant().policy,
            grant().approvals.length === 0
              ? 'self-activated'
              : `approved by ${grant()
                  .approvals.map((approval) => approval.by)
                  .join(', ')}`,
            grant().vouchedBy === null ? null : `vouched for by ${grant().vouchedBy}`,
            ...grant().extensions.map((extension) => `extended by ${extension.by}`),
            grant().liveSessions > 0 ? `${grant().liveSessions} live` : 'nobody inside',
          ]
            .filter(Boolean)
            .map((part) => visible(String(part)))
            .join(' · ')}
        </p>
      </div>
      <div class="grant-time">
        <span class="countdown" role="timer">
          {clock(leftMs() / 1000)}
        </span>
        <small title={utc(grant().expiresAt ?? 0)}>ends {when(grant().expiresAt ?? 0, serverNow())}</small>
        <span class="time-bar" aria-hidden="true">
          <span ref={(bar) => followShare(bar, share)} />
        </span>
      </div>
      <div class="actions">
        <Show when={grant().may.extend}>
          <button class="button" type="button" onClick={() => props.onExtend()}>
            Extend
          </button>
        </Show>
        <Show when={grant().may.end}>
          <button class="button button-danger" type="button" onClick={() => props.onEnd()}>
            {isOwn(grant(), props.me) ? 'Give back' : 'Revoke'}
          </button>
        </Show>
      </div>
    </li>
  )
}

function followShare(bar: HTMLElement, share: () => number): void {
  createRenderEffect(() => bar.style.setProperty('--share', String(share())))
}

function Alerts(): JSX.Element {
  const alerts = createQuery(version('alerts'), () => get<{ alerts: readonly AlertView[] }>('/api/alerts'))
  return (
    <section class="alerts">
      <h2>
        <Icon name="bell" /> Who was told
      </h2>
      <Show when={(alerts.data()?.alerts.length ?? 0) > 0} fallback={<p class="muted">No alert has been sent yet.</p>}>
        <ul>
          <For each={alerts.data()?.alerts.slice(0, 12)}>
            {(alert) => (
              <li>
                <time title={utc(alert.at)}>{when(alert.at, serverNow())}</time>
                <span class="alert-what">
                  {alert.type} <span class="muted">to</span> {alert.channel}
                </span>
                <Show
                  when={alert.acceptedAt}
                  fallback={
                    <span class="badge badge-warn" title={alert.lastError ?? undefined}>
                      {alert.deadAt !== null
                        ? 'Given up'
                        : alert.attempts === 0
                          ? 'On its way'
                          : `Not accepted yet, ${alert.attempts} tries`}
                    </span>
                  }
                >
                  <span class="badge badge-sealed" title={alert.receipt ?? undefined}>
                    Accepted
                  </span>
                </Show>
              </li>
            )}
          </For>
        </ul>
      </Show>
    </section>
  )
}
