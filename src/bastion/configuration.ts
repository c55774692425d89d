// The configuration of a running Halligan, wired: taken up at the start with what was kept, again when the file changes,
// on SIGHUP and on `halligan reload`.

import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { diffConfig } from '../config/diff.ts'
import { fileState, type Reading } from '../config/reading.ts'
import type { Secrets } from '../config/secrets.ts'
import type { HalliganError } from '../errors.ts'
import { mainLog } from '../log.ts'
import { alertsTo } from '../procedure/alert.ts'
import type { Anchoring } from '../procedure/anchoring.ts'
import { endDeparted } from '../procedure/departure.ts'
import { runAsProblem } from '../pty/upstream.ts'
import type { Change } from '../session/state.ts'
import { anchorPlaces } from './anchors.ts'
import { channelsOf } from './channels.ts'
import type { Durable } from './durable.ts'
import { watchFile } from './file-watch.ts'
import type { Inside } from './inside.ts'
import { keeping, keptConfiguration, recallPolicies } from './kept-configuration.ts'
import { CHANGED, changeFacts, loadedLeaf, Reloader } from './reload.ts'

/** What this machine cannot do of a configuration: a command under a uid that it may not take. */
export function machineProblem(config: Config): HalliganError | undefined {
  for (const target of config.targets) {
    const problem = target.kind === 'command' ? runAsProblem(target) : undefined
    if (problem !== undefined) return problem
  }
  return undefined
}

/** What a start writes about its configuration: how it differs from the one before, for the channels of both. */
export async function startingConfiguration(
  { current }: Inside,
  { state }: Durable,
  at: number,
): Promise<Required<Pick<Change, 'writes' | 'leaves' | 'alerts'>>> {
  const { config } = current
  const kept = await keptConfiguration(state)
  if (kept !== undefined) current.know(kept.config.policies)
  await recallPolicies(state, current)
  if (kept === undefined) {
    return { writes: [keeping(config)], leaves: [loadedLeaf(config, undefined, [])], alerts: [] }
  }
  const changes = diffConfig(kept.config, config)
  const facts = changeFacts(kept.sha256, config.sha256, changes, 'start')
  const there = kept.config.channels.map(({ name }) => name)
  return {
    writes: changes.length === 0 && kept.sha256 === config.sha256 ? [] : [keeping(config)],
    leaves: [loadedLeaf(config, kept.sha256, changes)],
    alerts: changes.length === 0 ? [] : alertsTo(there, CHANGED, facts, at),
  }
}

/**
 * After the start has been written: the channels of the configuration take over from those that were kept, and those that
 * are new are told as well. Then whoever left while Halligan was down loses what they had.
 */
export async function takeOver(inside: Inside, durable: Durable, clock: Clock, at: number): Promise<void> {
  const { current } = inside
  const { there } = durable
  if (there !== undefined) {
    const changes = diffConfig(there.config, current.config)
    durable.outbox.replaceChannels(channelsOf(current.config, current.secrets, clock))
    const told = new Set(there.config.channels.map(({ name }) => name))
    const others = current.channels.filter(
      (name) => !told.has(name) || changes.some((line) => line.startsWith(`channel ${name}:`)),
    )
    const facts = changeFacts(there.sha256, current.config.sha256, changes, 'start')
    // Later than the replacement, by the clock that alerts carry: these are for the channels there are now.
    const later = Math.max(clock.now(), at) + 1
    if (others.length > 0)
      await durable.state.commit({ at, writes: [], leaves: [], alerts: alertsTo(others, CHANGED, facts, later) })
  }
  await endDeparted(departurePorts(inside))
}

/** Keeps the configuration current while Halligan runs; `file` is looked at, and `read` reads it. */
export function followConfiguration(
  options: { readonly clock: Clock; readonly file: string; readonly read: () => Reading },
  durable: Durable,
  inside: Inside,
  anchors: Anchoring,
  opened: AsyncDisposableStack,
): Reloader {
  const { clock, file, read } = options
  const reloader = new Reloader({
    clock,
    state: durable.state,
    current: inside.current,
    outbox: durable.outbox,
    read,
    channelsOf: (config: Config, secrets: Secrets) => channelsOf(config, secrets, clock),
    anchorsOf: (config: Config, secrets: Secrets) => anchorPlaces(config, secrets, clock),
    replaceAnchors: (places) => anchors.replace(places),
    problemOf: machineProblem,
    endDeparted: () => endDeparted(departurePorts(inside)),
  })
  opened.defer(
    watchFile(
      clock,
      () => fileState(file),
      () => reloader.reload('file').catch((error: unknown) => mainLog.error('configuration.not-taken-up', { error })),
    ),
  )
  return reloader
}

function departurePorts({ current, end }: Inside): Parameters<typeof endDeparted>[0] {
  return {
    clock: end.clock,
    state: end.state,
    registry: end.registry,
    policy: end.policy,
    get channels() {
      return end.channels
    },
    nudge: end.nudge,
    ...(end.nudgeRevocations === undefined ? {} : { nudgeRevocations: end.nudgeRevocations }),
    isKnown: ({ user, fingerprint }) => {
      const person = current.directory.byName(user)
      return person !== undefined && (fingerprint === null || current.knows({ user: person, fingerprint }))
    },
    isTarget: (name) => current.config.targets.some((target) => target.name === name),
  }
}
