// What is locked: said in red on every page while it is so. For admins the panel that locks and unlocks.

import { createSignal, For, Show, type JSX } from 'solid-js'
import type { LockList } from '../../src/http/api.ts'
import { get } from './api.ts'
import { version } from './feed.ts'
import { utc, visible, when } from './format.ts'
import { Icon } from './icons.tsx'
import { Failure } from './notes.tsx'
import { createQuery, type Query } from './query.ts'
import { learnTime, serverNow } from './server-time.ts'
import { TakeAwayDialog } from './take-away-dialog.tsx'

type Lock = LockList['locks'][number]

function createLocks(): Query<LockList> {
  return createQuery(version('locks'), async () => {
    const list = await get<LockList>('/api/locks')
    learnTime(list.now)
    return list
  })
}

/** A scope in words: `everything`, `user alice`, `target web-1`. */
function wordsOf(scope: string): string {
  return scope === 'all' ? 'everything' : scope.replace(':', ' ')
}

function bodyOf(scope: string): { kind: string; name?: string } {
  const [kind = '', name] = scope.split(':')
  return name === undefined ? { kind } : { kind, name }
}

export function LockBanner(): JSX.Element {
  const locks = createLocks()
  return (
    <Show when={(locks.data()?.locks.length ?? 0) > 0}>
      <div class="broken-glass is-locked" role="alert">
        <Icon name="warning" />
        <strong>Locked</strong>
        <ul>
          <For each={locks.data()?.locks.slice(0, 3)}>
            {(lock) => (
              <li title={visible(lock.reason)}>
                {wordsOf(lock.scope)} by {lock.by}
              </li>
            )}
          </For>
          <Show when={(locks.data()?.locks.length ?? 0) > 3}>
            <li>and {(locks.data()?.locks.length ?? 0) - 3} more</li>
          </Show>
        </ul>
      </div>
    </Show>
  )
}

/** Nothing for those who may not lock. */
export function LockPanel(): JSX.Element {
  const locks = createLocks()
  const [locking, setLocking] = createSignal<string>()
  const [unlocking, setUnlocking] = createSignal<Lock>()
  const done = () => {
    setLocking(undefined)
    setUnlocking(undefined)
    locks.again()
  }
  return (
    <Show when={locks.data()?.may.lock === true} fallback={<Trouble locks={locks} />}>
      <section class="locks" aria-labelledby="locks-title">
        <h2 id="locks-title">
          <Icon name="warning" /> Locks
        </h2>
        <Show when={(locks.data()?.locks.length ?? 0) > 0} fallback={<p class="muted">Nothing is locked.</p>}>
          <ul class="lock-list">
            <For each={locks.data()?.locks}>
              {(lock) => (
                <li>
                  <span>
                    <strong>{wordsOf(lock.scope)}</strong> <q>{visible(lock.reason)}</q>{' '}
                    <small class="muted" title={utc(lock.at)}>
                      {lock.by}, {when(lock.at, serverNow())}
                    </small>
                  </span>
                  <button class="button" type="button" onClick={() => setUnlocking(lock)}>
                    Unlock
                  </button>
                </li>
              )}
            </For>
          </ul>
        </Show>
        <LockForm onLock={setLocking} />
      </section>
      <Show when={locking()}>
        {(scope) => (
          <TakeAwayDialog
            title={`Lock ${wordsOf(scope())}`}
            path="/api/locks"
            action={`Lock ${wordsOf(scope())}`}
            typed={scope() === 'all' ? 'everything' : (scope().split(':')[1] ?? '')}
            more={() => bodyOf(scope())}
            onDone={done}
            onClose={() => setLocking(undefined)}
          >
            <p>
              Every session there ends at once, its grants are revoked for review, and nobody gets in until an admin
              unlocks it with a fresh code. Everyone is told.
            </p>
          </TakeAwayDialog>
        )}
      </Show>
      <Show when={unlocking()}>
        {(lock) => (
          <TakeAwayDialog
            title={`Unlock ${wordsOf(lock().scope)}`}
            path="/api/locks/release"
            action="Unlock"
            gives
            more={() => bodyOf(lock().scope)}
            onDone={done}
            onClose={() => setUnlocking(undefined)}
          >
            <p>People may break the glass again. Grants that were revoked stay revoked.</p>
          </TakeAwayDialog>
        )}
      </Show>
    </Show>
  )
}

/** The page says so when it cannot tell what is locked. */
function Trouble(props: { readonly locks: Query<LockList> }): JSX.Element {
  return (
    <Show when={props.locks.error() !== undefined && props.locks.data() === undefined}>
      <Failure error={props.locks.error()} onRetry={props.locks.again} />
    </Show>
  )
}

function LockForm(props: { readonly onLock: (scope: string) => void }): JSX.Element {
  const [kind, setKind] = createSignal('user')
  const [name, setName] = createSignal('')
  return (
    <form
      class="lock-form"
      onSubmit={(event) => {
        event.preventDefault()
        props.onLock(kind() === 'all' ? 'all' : `${kind()}:${name().trim()}`)
      }}
    >
      <label class="field">
        <span>Lock</span>
        <select name="kind" value={kind()} onInput={(event) => setKind(event.currentTarget.value)}>
          <option value="user">a user</option>
          <option value="target">a target</option>
          <option value="all">everything</option>
        </select>
      </label>
      <Show when={kind() !== 'all'}>
        <label class="field">
          <span>Name</span>
          <input
            name="name"
            type="text"
            required
            maxlength="64"
            pattern="[^: ]+"
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            value={name()}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
      </Show>
      <button class="button button-danger" type="submit">
        Lock…
      </button>
    </form>
  )
}
