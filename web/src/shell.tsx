// The frame around every page: where one can go, who one is, and, while it is so, that the glass is broken.

import { createSignal, For, onCleanup, onMount, Show, type JSX } from 'solid-js'
import type { GrantList, LedgerView, Me } from '../../src/http/api.ts'
import { get, post } from './api.ts'
import { isFeedConnected, version } from './feed.ts'
import { clock, number } from './format.ts'
import { Icon, Mark, type IconName } from './icons.tsx'
import { KeyHelp } from './key-help.tsx'
import { LockBanner } from './locks.tsx'
import { createQuery } from './query.ts'
import { go, Link, path } from './router.tsx'
import { learnTime, serverNow } from './server-time.ts'
import { chooseTheme, theme, type Theme } from './theme.ts'

const places = [
  { href: '/', label: 'Overview', icon: 'overview', key: 'o' },
  { href: '/sessions', label: 'Sessions', icon: 'sessions', key: 's' },
  { href: '/access', label: 'Access', icon: 'access', key: 'q' },
  { href: '/grants', label: 'Grants', icon: 'grants', key: 'g' },
  { href: '/reviews', label: 'Reviews', icon: 'review', key: 'r' },
  { href: '/policy', label: 'Policies', icon: 'policy', key: 't' },
  { href: '/alerts', label: 'Alerts', icon: 'bell', key: 'a', isOverseen: true },
  { href: '/drills', label: 'Drills', icon: 'drill', key: 'd', isOverseen: true },
  { href: '/report', label: 'Report', icon: 'report', key: 'm', isOverseen: true },
] as const satisfies readonly Place[]

interface Place {
  readonly href: string
  readonly label: string
  readonly icon: IconName
  readonly key: string
  /** Shown to those who oversee alone. */
  readonly isOverseen?: true
}

/** Roles that see what everybody does. */
export const overseers: Me['roles'] = ['reviewer', 'admin', 'auditor']

/** How long after `g` the second key of a jump counts. */
const JUMP_MS = 1_500

export function Shell(props: {
  readonly me: Me
  readonly onSignedOut: () => void
  readonly children: JSX.Element
}): JSX.Element {
  const grants = createQuery(version('grants'), async () => {
    const list = await get<GrantList>('/api/grants')
    learnTime(list.now)
    return list
  })
  const live = () => grants.data()?.grants.filter((grant) => (grant.expiresAt ?? 0) > serverNow()) ?? []
  const [isHelpOpen, setHelpOpen] = createSignal(false)
  onMount(() => onCleanup(followKeys(() => setHelpOpen(true))))

  return (
    <div class="shell">
      <a class="skip" href="#main">
        Skip to content
      </a>
      <aside class="rail">
        <Link class="brand" href="/">
          <Mark />
          <span>Halligan</span>
        </Link>
        <nav aria-label="Pages">
          <For each={placesOf(props.me)}>
            {(place) => (
              <Link class="place" href={place.href} aria-current={isAt(place.href) ? 'page' : undefined}>
                <Icon name={place.icon} />
                <span>{place.label}</span>
                <Show when={place.href === '/grants' && live().length > 0}>
                  <span class="count">{live().length}</span>
                </Show>
              </Link>
            )}
          </For>
        </nav>
        <div class="rail-foot">
          <Ledger />
          <ThemeChoice />
          <Who me={props.me} onSignedOut={props.onSignedOut} />
        </div>
      </aside>
      <div class="stage">
        <LockBanner />
        <Show when={live().length > 0}>
          <BrokenGlass grants={live()} />
        </Show>
        <Show when={!isFeedConnected()}>
          <p class="offline" role="status">
            Connection lost. What you see may be out of date; reconnecting…
          </p>
        </Show>
        <main id="main" tabindex="-1">
          {props.children}
        </main>
      </div>
      <Show when={isHelpOpen()}>
        <KeyHelp onClose={() => setHelpOpen(false)} />
      </Show>
    </div>
  )
}

function placesOf(me: Me): readonly Place[] {
  const all: readonly Place[] = places
  return all.filter(({ isOverseen }) => isOverseen !== true || overseers.some((role) => me.roles.includes(role)))
}

function isAt(href: string): boolean {
  if (href === '/access' && path().startsWith('/requests/')) return true
  return href === '/' ? path() === '/' : `${path()}/`.startsWith(`${href}/`)
}

function BrokenGlass(props: { readonly grants: GrantList['grants'] }): JSX.Element {
  return (
    <div class="broken-glass" role="status">
      <Icon name="warning" />
      <strong>Glass broken</strong>
      <ul>
        <For each={props.grants.slice(0, 3)}>
          {(grant) => (
            <li>
              {grant.user} on {grant.account}@{grant.target}
              <span class="countdown" aria-label="time left">
                {clock(((grant.expiresAt ?? 0) - serverNow()) / 1000)}
              </span>
            </li>
          )}
        </For>
        <Show when={props.grants.length > 3}>
          <li>and {props.grants.length - 3} more</li>
        </Show>
      </ul>
      <Link href="/grants">Grants</Link>
    </div>
  )
}

function Ledger(): JSX.Element {
  const head = createQuery(version('sessions'), () => get<LedgerView>('/api/ledger/head'))
  return (
    <Show when={head.data()}>
      {(ledger) => (
        <p class="ledger" title={`ledger root ${ledger().root}`}>
          <Icon name="seal" />
          <span>
            {ledger().installation}
            <small>
              ledger #{number(ledger().size)} · <code>{ledger().root.slice(0, 8)}</code>
            </small>
          </span>
        </p>
      )}
    </Show>
  )
}

const themes = [
  { name: 'light', icon: 'sun', label: 'Light' },
  { name: 'system', icon: 'screen', label: 'As the system' },
  { name: 'dark', icon: 'moon', label: 'Dark' },
] as const satisfies readonly { name: Theme; icon: IconName; label: string }[]

export function ThemeChoice(): JSX.Element {
  return (
    <div class="themes" role="group" aria-label="Colours">
      <For each={themes}>
        {(each) => (
          <button
            type="button"
            title={each.label}
            aria-label={each.label}
            aria-pressed={theme() === each.name}
            onClick={() => chooseTheme(each.name)}
          >
            <Icon name={each.icon} />
          </button>
        )}
      </For>
    </div>
  )
}

function Who(props: { readonly me: Me; readonly onSignedOut: () => void }): JSX.Element {
  const signOut = async () => {
    await post('/api/sign-out', {}).catch(() => undefined)
    props.onSignedOut()
  }
  return (
    <div class="who">
      <span class="avatar" aria-hidden="true">
        {props.me.user.charAt(0).toUpperCase()}
      </span>
      <span class="who-name">
        {props.me.user}
        <small>{props.me.roles.join(', ')}</small>
      </span>
      <button class="icon-button" type="button" title="Sign out" aria-label="Sign out" onClick={() => void signOut()}>
        <Icon name="out" />
      </button>
    </div>
  )
}

/** `g s`, `g g`: jumps; `?`: help; `/`: the page's search field. Nothing while one is typing or a dialog is open. */
function followKeys(openHelp: () => void): () => void {
  let jumpUntil = 0
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return
    if (document.querySelector('dialog[open]') !== null) return
    const place = event.timeStamp < jumpUntil ? places.find(({ key }) => key === event.key) : undefined
    jumpUntil = 0
    if (place !== undefined) go(place.href)
    else if (event.key === 'g') jumpUntil = event.timeStamp + JUMP_MS
    else if (event.key === '?' && !isInPlayer(event.target)) openHelp()
    else if (event.key === '/') {
      const field = document.querySelector<HTMLInputElement>('input[type="search"]')
      if (field === null) return
      event.preventDefault()
      field.focus()
    }
  }
  document.addEventListener('keydown', onKey)
  return () => document.removeEventListener('keydown', onKey)
}

export function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable]') !== null
}

function isInPlayer(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest('.ap-wrapper') !== null
}
