// The way in: a link made in one's own terminal. It says whose account it is before anything is opened.

import { createSignal, onMount, Show, type JSX } from 'solid-js'
import { post, Problem } from './api.ts'
import { Icon, Mark } from './icons.tsx'
import { sentence } from './notes.tsx'
import { ThemeChoice } from './shell.tsx'

export function SignIn(props: {
  readonly token?: string
  readonly onSignedIn: () => void
  readonly onDismiss?: () => void
}): JSX.Element {
  return (
    <div class="sign-in">
      <div class="sign-in-card">
        <div class="brand">
          <Mark />
          <span>Halligan</span>
        </div>
        <Show when={props.token} fallback={<HowTo />}>
          {(token) => <WithLink token={token()} onSignedIn={props.onSignedIn} onDismiss={props.onDismiss} />}
        </Show>
      </div>
      <ThemeChoice />
    </div>
  )
}

function HowTo(): JSX.Element {
  return (
    <>
      <h1>Sign in from your terminal</h1>
      <p>
        There is no password here. Ask for a link where your key already is; it works once, for a minute, from this
        machine.
      </p>
      <pre class="command">
        <code>ssh you@{location.hostname} web</code>
      </pre>
      <p class="muted">Then open the link that it prints.</p>
    </>
  )
}

function WithLink(props: {
  readonly token: string
  readonly onSignedIn: () => void
  readonly onDismiss: (() => void) | undefined
}): JSX.Element {
  const [user, setUser] = createSignal<string>()
  const [problem, setProblem] = createSignal<Problem>()
  const [isBusy, setBusy] = createSignal(false)
  const failed = (error: unknown) => setProblem(error instanceof Problem ? error : new Problem(0, {}))

  onMount(() => {
    post<{ user: string }>('/api/links/peek', { token: props.token }).then((answer) => setUser(answer.user), failed)
  })
  const redeem = async () => {
    setBusy(true)
    try {
      await post('/api/links/redeem', { token: props.token })
      props.onSignedIn()
    } catch (error) {
      failed(error)
      setBusy(false)
    }
  }

  return (
    <Show
      when={problem()}
      fallback={
        <>
          <h1>
            Sign in as <strong>{user() ?? '…'}</strong>?
          </h1>
          <p>
            You will see what {user() ?? 'this person'} may see, and each recording you open is noted in the ledger
            under that name. Taking access away asks for a code.
          </p>
          <div class="actions">
            <button
              class="button button-main"
              type="button"
              disabled={user() === undefined || isBusy()}
              ref={(element) => queueMicrotask(() => element.focus())}
              onClick={() => void redeem()}
            >
              {isBusy() ? 'Signing in…' : `Sign in as ${user() ?? '…'}`}
            </button>
            <button class="button" type="button" onClick={() => props.onDismiss?.()}>
              Not me
            </button>
          </div>
        </>
      }
    >
      {(refused) => (
        <div role="alert">
          <h1>
            <Icon name="warning" /> That link is no good
          </h1>
          <p>{sentence(refused().message)}.</p>
          <Show when={refused().hint}>{(hint) => <p class="muted">{sentence(hint())}</p>}</Show>
          <button class="button" type="button" onClick={() => props.onDismiss?.()}>
            Go on without it
          </button>
        </div>
      )}
    </Show>
  )
}
