// Drills, wired: what is laid over people, second factors and recorders while one runs, and the bastion's own listeners as
// its clients find them.

import { readFileSync } from 'node:fs'
import type { Clock } from '../clock.ts'
import { Drills } from '../drill/drills.ts'
import { DrillFactors } from '../drill/factor.ts'
import { RecorderFaults } from '../drill/fault.ts'
import { HalliganError } from '../errors.ts'
import { DrillDirectory, isDrillCommand } from '../identity/drill.ts'
import type { Directory, User } from '../identity/user.ts'
import { parseInstallationKey } from '../ledger/note-key.ts'
import type { State } from '../session/state.ts'
import type { Durable } from './durable.ts'
import type { Fronts } from './fronts.ts'
import type { Inside } from './inside.ts'

/** What a drill lays over the house for its own people; everybody else sees the house as it is. */
export interface DrillOverlay {
  readonly directory: DrillDirectory
  readonly factors: DrillFactors
  readonly faults: RecorderFaults
}

export function drillOverlay(people: Directory): DrillOverlay {
  return { directory: new DrillDirectory(people), factors: new DrillFactors(), faults: new RecorderFaults() }
}

/** Drills of this bastion; `stories` is the folder of their stories (absolute). They run once `openDrills` has been called. */
export function rehearsals(clock: Clock, durable: Durable, inside: Inside, stories: string): Drills {
  const { current, drill } = inside
  const { state, installation } = durable
  return new Drills({
    ...drill,
    clock,
    state,
    end: inside.end,
    stories,
    recordings: current.config.recordingsDirectory,
    key: () => parseInstallationKey(readFileSync(installation.publicKeyFile, 'utf8')),
    nudge: () => durable.outbox.nudge(),
    readiness: {
      clock,
      state,
      directory: current.directory,
      get policies() {
        return current.config.policies
      },
      get targets() {
        return current.config.targets
      },
    },
    current: {
      get policies() {
        return current.config.policies
      },
      get targets() {
        return current.config.targets
      },
      get channels() {
        return current.channels
      },
      get drills() {
        return current.config.drills
      },
    },
  })
}

/** Tells the drills where the listeners are. */
export function openDrills(drills: Drills, { installation }: Durable, { ssh, postgres }: Fronts): void {
  drills.open({
    ssh: { host: overLoopback(ssh.host), port: ssh.port, hostKey: installation.sshHostPublicKey },
    postgres: {
      host: overLoopback(postgres.host),
      port: postgres.port,
      ca: readFileSync(installation.postgres.caFile, 'utf8'),
    },
  })
}

/** A listener on every address is on loopback too; one on another address alone is not, and drills then say so. */
function overLoopback(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  return host === '::' ? '::1' : host
}

/** A drill's person says the verbs of a story, about the drill's own grants. Throws `denied`. */
export async function mustStayInDrill(state: Pick<State, 'grant'>, user: User, argv: readonly string[]): Promise<void> {
  if (user.isDrill !== true) return
  if (!isDrillCommand(argv[0] ?? ''))
    throw new HalliganError('denied', `a rehearsal does not run ${JSON.stringify(argv[0] ?? 'help')}`)
  for (const word of argv.slice(1)) {
    if (!/^g[a-z0-9]{1,15}$/.test(word)) continue
    const grant = await state.grant(word)
    if (grant !== undefined && !grant.drill)
      throw new HalliganError('denied', `grant ${word} is no rehearsal's, and a rehearsal may not touch it`)
  }
}
