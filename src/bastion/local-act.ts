// What a request on the control socket does in a running Halligan. The actor is an account of this machine, never a person.

import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { checkedScope, lock, unlock, type LockPorts } from '../procedure/lock.ts'
import type { Registry } from '../session/registry.ts'
import type { State } from '../session/state.ts'
import type { Control } from './control.ts'

export interface LocalActPorts {
  readonly clock: Clock
  readonly state: Pick<State, 'commit'>
  readonly registry: Registry
  readonly lock: LockPorts
  /** Reads the configuration again and says what changed; undefined where nothing can be reloaded. */
  readonly reload: ((actor: string) => Promise<string>) | undefined
}

/** Binds the requests to what they do. */
export function localAct(ports: LocalActPorts): Control {
  const { clock, state, registry } = ports
  const leaf = async (actor: string, command: string): Promise<void> => {
    await state.commit({ at: clock.now(), writes: [], leaves: [{ type: 'local-command', actor, command }] })
  }
  return async (request, actor) => {
    switch (request.do) {
      case 'lock': {
        const scope = checkedScope(request.scope)
        // To end, act first.
        const locked = await lock(ports.lock, scope, actor, request.reason)
        await leaf(actor, `lock ${scope}`)
        const text = `${scope} is locked: ${locked.sessions} sessions ended, ${locked.grants} grants revoked`
        return { text, value: locked }
      }
      case 'unlock': {
        const scope = checkedScope(request.scope)
        await leaf(actor, `unlock ${scope}`)
        await unlock(ports.lock, scope, actor, request.reason)
        return { text: `${scope} is unlocked`, value: { scope } }
      }
      case 'reload': {
        if (ports.reload === undefined)
          throw new HalliganError('unavailable', 'this halligan cannot reload', { hint: 'stop it and start it anew' })
        await leaf(actor, 'reload')
        const text = await ports.reload(actor)
        return { text, value: null }
      }
      case 'status': {
        const locks = registry.locks.all()
        const counts = { sessions: registry.sessions().length, grants: registry.liveGrants().length }
        const locked = locks.map(({ scope, by, reason }) => `\nlocked: ${scope} by ${by}: ${reason}`).join('')
        const text = `process ${process.pid}: ${counts.sessions} sessions, ${counts.grants} live grants${locked}`
        return { text, value: { pid: process.pid, ...counts, locks } }
      }
    }
  }
}
