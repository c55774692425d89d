// One session: who did what, where and why; then what happened, as it was recorded or as it happens.

import { createSignal, Match, Show, Switch, type JSX } from 'solid-js'
import type { SessionDetail } from '../../src/http/api.ts'
import { get } from './api.ts'
import { version } from './feed.ts'
import { Failure, Loading, NothingHere } from './notes.tsx'
import { Problem } from './api.ts'
import { createQuery } from './query.ts'
import { learnTime } from './server-time.ts'
import { SessionHeader } from './session-header.tsx'
import { SqlLive, SqlReplay } from './sql-session.tsx'
import { TakeAwayDialog } from './take-away-dialog.tsx'
import { TerminalLive } from './terminal-live.tsx'
import { TerminalReplay } from './terminal-replay.tsx'

export function SessionPage(props: { readonly id: string }): JSX.Element {
  const detail = createQuery(version('sessions'), async () => {
    const answer = await get<SessionDetail>(`/api/sessions/${props.id}`)
    learnTime(answer.now)
    return answer
  })
  const [isKilling, setKilling] = createSignal(false)
  // Someone who watched until the end keeps the last screen; the replay is a reload away.
  let wasLive = false
  const isLive = (state: string) => (wasLive ||= state === 'open')
  const isMissing = () => detail.error() instanceof Problem && (detail.error() as Problem).status === 404

  return (
    <div class="page page-wide">
      <Show
        when={detail.data()}
        fallback={
          <Switch fallback={<Loading what="session" />}>
            <Match when={isMissing()}>
              <NothingHere />
            </Match>
            <Match when={detail.error()}>
              <Failure error={detail.error()} onRetry={detail.again} />
            </Match>
          </Switch>
        }
      >
        {(answer) => {
          const session = () => answer().session
          const live = isLive(session().state)
          return (
            <>
              <SessionHeader session={session()} mayKill={answer().may.kill} onKill={() => setKilling(true)} />
              <Switch>
                <Match when={session().what.kind === 'sql' && live}>
                  <SqlLive session={session()} />
                </Match>
                <Match when={session().what.kind === 'sql'}>
                  <SqlReplay session={session()} />
                </Match>
                <Match when={live}>
                  <TerminalLive session={session()} />
                </Match>
                <Match when={true}>
                  <TerminalReplay session={session()} />
                </Match>
              </Switch>
              <Show when={isKilling()}>
                <TakeAwayDialog
                  title="Kill this session"
                  path={`/api/sessions/${session().id}/kill`}
                  action="Kill session"
                  onDone={() => {
                    setKilling(false)
                    detail.again()
                  }}
                  onClose={() => setKilling(false)}
                >
                  <p>
                    The connection of <strong>{session().user}</strong> to{' '}
                    <strong>
                      {session().account}@{session().target}
                    </strong>{' '}
                    ends at once. They are told your name and the reason.
                  </p>
                </TakeAwayDialog>
              </Show>
            </>
          )
        }}
      </Show>
    </div>
  )
}
