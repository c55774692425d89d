// Who is here decides what is shown: nobody, someone with a link in hand, or a person with a session.

import { createSignal, Match, onCleanup, onMount, Show, Switch, type JSX } from 'solid-js'
import type { Me } from '../../src/http/api.ts'
import { RequestPage } from './access-request.tsx'
import { AccessPage } from './access.tsx'
import { AlertsPage } from './alerts.tsx'
import { get, Problem, whenSignedOut } from './api.ts'
import { DrillPage, DrillsPage } from './drills.tsx'
import { followFeed } from './feed.ts'
import { GrantsPage } from './grants.tsx'
import { Failure, Loading, NothingHere } from './notes.tsx'
import { PolicyPage } from './policy.tsx'
import { ReportPage } from './report.tsx'
import { ReviewPage } from './review.tsx'
import { ReviewsPage } from './reviews.tsx'
import { recallPlace, rememberPlace } from './return-to.ts'
import { go, path } from './router.tsx'
import { learnTime } from './server-time.ts'
import { SessionPage } from './session.tsx'
import { OverviewPage } from './overview.tsx'
import { SessionsPage } from './sessions.tsx'
import { overseers, Shell } from './shell.tsx'
import { SignIn } from './sign-in.tsx'

// The token leaves the address bar and the history at once; it is kept only here.
const onceToken = /^#once=([\w-]{22})$/.exec(location.hash)?.[1]
if (location.hash.startsWith('#once=')) history.replaceState(null, '', location.pathname)

export function App(): JSX.Element {
  const [link, setLink] = createSignal(onceToken)
  const [me, setMe] = createSignal<Me>()
  const [problem, setProblem] = createSignal<unknown>()
  const [isLoading, setLoading] = createSignal(true)

  const load = async () => {
    try {
      const answer = await get<Me>('/api/me')
      learnTime(answer.now)
      setMe(answer)
      setProblem(undefined)
    } catch (error) {
      setMe(undefined)
      setProblem(error instanceof Problem && error.status === 401 ? undefined : error)
    }
    setLoading(false)
  }
  whenSignedOut(() => setMe(undefined))
  // Someone with a link in hand is not asked for first.
  onMount(() => {
    if (onceToken === undefined) void load()
  })

  const dismiss = () => {
    setLink(undefined)
    void load()
  }
  const signedIn = () => {
    setLink(undefined)
    const place = recallPlace()
    if (place !== undefined) go(place)
    void load()
  }

  return (
    <Switch fallback={<Stranger onSignedIn={signedIn} />}>
      <Match when={link()}>{(token) => <SignIn token={token()} onSignedIn={signedIn} onDismiss={dismiss} />}</Match>
      <Match when={isLoading()}>
        <Loading what="Halligan" />
      </Match>
      <Match when={problem()}>
        <Failure error={problem()} onRetry={() => void load()} />
      </Match>
      <Match when={me()}>{(who) => <SignedIn me={who()} onSignedOut={() => setMe(undefined)} />}</Match>
    </Switch>
  )
}

/** Roles that read what was rehearsed. */
const drillReaders: Me['roles'] = ['approver', ...overseers]

/** Nobody yet: where they were going is remembered until they are somebody. */
function Stranger(props: { readonly onSignedIn: () => void }): JSX.Element {
  onMount(rememberPlace)
  return <SignIn onSignedIn={props.onSignedIn} />
}

function SignedIn(props: { readonly me: Me; readonly onSignedOut: () => void }): JSX.Element {
  onCleanup(followFeed())
  const review = () => /^\/reviews\/([a-z0-9]{1,16})$/.exec(path())?.[1]
  const drill = () => /^\/drills\/([a-z0-9]{2,16})$/.exec(path())?.[1]
  const request = () => /^\/requests\/([a-z0-9]{1,16})$/.exec(path())?.[1]
  const session = () => /^\/sessions\/(s[a-z2-7]{12})$/.exec(path())?.[1]
  return (
    <Shell me={props.me} onSignedOut={props.onSignedOut}>
      <Switch fallback={<NothingHere />}>
        <Match when={path() === '/'}>
          <OverviewPage me={props.me} />
        </Match>
        <Match when={path() === '/sessions'}>
          <SessionsPage me={props.me} />
        </Match>
        <Match when={path() === '/drills' && drillReaders.some((role) => props.me.roles.includes(role))}>
          <DrillsPage me={props.me} />
        </Match>
        <Match when={drill()}>
          {(id) => (
            <Show when={id()} keyed>
              {(each) => <DrillPage id={each} />}
            </Show>
          )}
        </Match>
        <Match when={path() === '/access'}>
          <AccessPage me={props.me} />
        </Match>
        <Match when={request()}>
          {(id) => (
            <Show when={id()} keyed>
              {(each) => <RequestPage id={each} />}
            </Show>
          )}
        </Match>
        <Match when={path() === '/grants'}>
          <GrantsPage me={props.me} />
        </Match>
        <Match when={path() === '/alerts' && overseers.some((role) => props.me.roles.includes(role))}>
          <AlertsPage />
        </Match>
        <Match when={path() === '/report' && overseers.some((role) => props.me.roles.includes(role))}>
          <ReportPage />
        </Match>
        <Match when={path() === '/policy'}>
          <PolicyPage />
        </Match>
        <Match when={path() === '/reviews'}>
          <ReviewsPage me={props.me} />
        </Match>
        <Match when={review()}>
          {(grant) => (
            <Show when={grant()} keyed>
              {(each) => <ReviewPage grant={each} />}
            </Show>
          )}
        </Match>
        <Match when={session()}>
          {(id) => (
            <Show when={id()} keyed>
              {(each) => <SessionPage id={each} />}
            </Show>
          )}
        </Match>
      </Switch>
    </Shell>
  )
}
