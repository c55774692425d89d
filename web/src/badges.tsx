// How it stands with a session, in one word and one colour.

import { Match, Switch, type JSX } from 'solid-js'
import type { SessionView } from '../../src/http/api.ts'
import { Icon } from './icons.tsx'

export function StateBadge(props: { readonly session: Pick<SessionView, 'state' | 'seal' | 'end'> }): JSX.Element {
  return (
    <Switch>
      <Match when={props.session.state === 'open'}>
        <span class="badge badge-live">
          <span class="dot" aria-hidden="true" />
          Live
        </span>
      </Match>
      <Match when={props.session.state === 'ended'}>
        <span class="badge" title="ended; the recording is being sealed">
          Sealing
        </span>
      </Match>
      <Match when={props.session.seal?.state === 'damaged'}>
        <span class="badge badge-bad" title="part of the journal did not verify; what did is sealed">
          <Icon name="warning" />
          Damaged
        </span>
      </Match>
      <Match when={props.session.seal?.state === 'interrupted'}>
        <span class="badge badge-warn" title="Halligan stopped while it ran; all that reached the target is recorded">
          <Icon name="warning" />
          Interrupted
        </span>
      </Match>
      <Match when={props.session.end?.reason === 'killed' || props.session.end?.reason === 'revoked'}>
        <span class="badge badge-ended" title={props.session.end?.message}>
          <Icon name="seal" />
          {props.session.end?.reason === 'killed' ? 'Killed' : 'Revoked'}
        </span>
      </Match>
      <Match when={true}>
        <span class="badge badge-sealed">
          <Icon name="seal" />
          Sealed
        </span>
      </Match>
    </Switch>
  )
}
