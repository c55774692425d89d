// Taking up a changed configuration while people are inside. All of it is checked first; a bad one changes nothing but
// the record. What it takes away ends at once; what it gives opens once the change is in the ledger, and announced.

import { canonicalPolicies } from '../access/policy-hash.ts'
import type { AuditEvent } from '../audit.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { diffConfig, needsRestart } from '../config/diff.ts'
import { errorMessage } from '../config/error-message.ts'
import type { Reading } from '../config/reading.ts'
import type { Secrets } from '../config/secrets.ts'
import { HalliganError } from '../errors.ts'
import { mainLog } from '../log.ts'
import type { Channel } from '../notify/channel.ts'
import { alertsTo } from '../procedure/alert.ts'
import type { AnchorPlace } from '../procedure/anchor-record.ts'
import type { State } from '../session/state.ts'
import type { Current } from './current.ts'
import { keeping } from './kept-configuration.ts'

export interface ReloadPorts {
  readonly clock: Clock
  readonly state: Pick<State, 'commit'>
  readonly current: Current
  readonly outbox: { replaceChannels(channels: readonly Channel[]): void; nudge(): void }
  /** Reads it all anew. Never throws. */
  readonly read: () => Reading
  /** Ready to deliver. Throws `config_invalid` where one cannot be. */
  readonly channelsOf: (config: Config, secrets: Secrets) => readonly Channel[]
  /** Likewise, the places that keep checkpoints. */
  readonly anchorsOf: (config: Config, secrets: Secrets) => readonly AnchorPlace[]
  /** Never throws. */
  readonly replaceAnchors: (places: readonly AnchorPlace[]) => Promise<void>
  /** What this machine cannot do of it; undefined: it can. */
  readonly problemOf: (config: Config) => HalliganError | undefined
  /** Ends what people have who are known no more, or whose key is not. Throws when that could not be written. */
  readonly endDeparted: () => Promise<void>
}

export type ReloadOutcome =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'loaded'; readonly changes: readonly string[] }
  | { readonly kind: 'refused'; readonly problem: string }

/** Lines of a change that an alert carries; the ledger has them all. */
const MAX_ALERT_LINES = 40

export class Reloader {
  readonly #ports: ReloadPorts
  /** One at a time: the next reads the file after the one before has been taken up. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(ports: ReloadPorts) {
    this.#ports = ports
  }

  /** Reads and takes up what changed; `by` is who or what asked. Throws `store_failed` when it could not be written. */
  reload(by: string): Promise<ReloadOutcome> {
    const next = this.#last.then(() => this.#reload(by))
    this.#last = next.catch(() => undefined)
    return next
  }

  async #reload(by: string): Promise<ReloadOutcome> {
    const reading = this.#ports.read()
    if (reading.kind === 'bad') return this.#refuse(reading.sha256, reading.problem, by)
    const { config, secrets } = reading
    const problem = this.#problemOf(config, secrets)
    if (problem !== undefined) return this.#refuse(config.sha256, problem, by)
    let channels: readonly Channel[]
    let anchors: readonly AnchorPlace[]
    try {
      channels = this.#ports.channelsOf(config, secrets)
      anchors = this.#ports.anchorsOf(config, secrets)
    } catch (error) {
      return this.#refuse(config.sha256, errorMessage(error), by)
    }
    const changes = this.#changesTo(config, secrets)
    if (changes.length === 0 && config.sha256 === this.#ports.current.config.sha256) {
      this.#ports.current.refused = null
      return { kind: 'unchanged' }
    }
    await this.#take(config, secrets, channels, changes, by)
    if (changes.some((line) => /^(anchor|channel|secret) /.test(line))) await this.#ports.replaceAnchors(anchors)
    return { kind: 'loaded', changes }
  }

  #problemOf(config: Config, secrets: Secrets): string | undefined {
    const { current, problemOf } = this.#ports
    const fixed = [
      ...needsRestart(current.config, config),
      ...(current.secrets.hasKeyOf(secrets) ? [] : ['the key that encrypts secrets']),
    ]
    if (fixed.length > 0) return `needs a restart: ${fixed.join('; ')}`
    return problemOf(config)?.message
  }

  #changesTo(config: Config, secrets: Secrets): string[] {
    const { current } = this.#ports
    const changed = current.secrets.differencesTo(secrets).map((name) => `secret ${name}: changed`)
    return [...diffConfig(current.config, config), ...changed]
  }

  /** Written and told through the channels there were, then in force, then told through those there are now. */
  async #take(
    config: Config,
    secrets: Secrets,
    channels: readonly Channel[],
    changes: readonly string[],
    by: string,
  ): Promise<void> {
    const { clock, state, current, outbox, endDeparted } = this.#ports
    const at = clock.now()
    const before = current.config
    const facts = changeFacts(before.sha256, config.sha256, changes, by)
    await state.commit({
      at,
      writes: [keeping(config)],
      leaves: [loadedLeaf(config, before.sha256, changes)],
      // A comment alone is in the ledger, and wakes nobody.
      alerts: changes.length === 0 ? [] : alertsTo(current.channels, CHANGED, facts, at),
    })
    const told = new Set(current.channels)
    const isRewired = changes.some((line) => /^(channel|secret) /.test(line))
    if (isRewired) outbox.replaceChannels(channels)
    current.replace(config, secrets)
    current.refused = null
    const loadedAt = clock.now()
    mainLog.info('configuration.loaded', {
      sha256: config.sha256,
      previous: before.sha256,
      by,
      changes: changes.length,
    })
    outbox.nudge()
    try {
      await endDeparted()
    } finally {
      const others = isRewired ? current.channels.filter((name) => !told.has(name) || isChanged(name, changes)) : []
      await this.#tellAnew(others, facts, loadedAt)
    }
  }

  /** Later than the replacement, by the clock that alerts carry: these are for the channels there are now. */
  async #tellAnew(
    channels: readonly string[],
    facts: Readonly<Record<string, unknown>>,
    loadedAt: number,
  ): Promise<void> {
    if (channels.length === 0) return
    const { clock, state, outbox } = this.#ports
    const at = Math.max(clock.now(), loadedAt + 1)
    await state.commit({ at: clock.now(), writes: [], leaves: [], alerts: alertsTo(channels, CHANGED, facts, at) })
    outbox.nudge()
  }

  /** Told once for each bad file, however often somebody looks at it. */
  async #refuse(sha256: string, problem: string, by: string): Promise<ReloadOutcome> {
    const { clock, state, current, outbox } = this.#ports
    if (current.refused?.sha256 === sha256 && current.refused.problem === problem) return { kind: 'refused', problem }
    const at = clock.now()
    mainLog.error('configuration.refused', { sha256, by, problem })
    await state.commit({
      at,
      writes: [],
      leaves: [{ type: 'configuration-refused', sha256, problem }],
      alerts: alertsTo(
        current.channels,
        'configuration.refused',
        { sha256, problem, by, inForce: current.config.sha256 },
        at,
      ),
    })
    current.refused = { at, sha256, problem }
    outbox.nudge()
    return { kind: 'refused', problem }
  }
}

/** What a change of the configuration is called in alerts. */
export const CHANGED = 'configuration.changed'

/** What an alert says of a change. */
export function changeFacts(
  previous: string,
  sha256: string,
  changes: readonly string[],
  by: string,
): Readonly<Record<string, unknown>> {
  const more = changes.length - MAX_ALERT_LINES
  return {
    previous,
    sha256,
    by,
    changes: [...changes.slice(0, MAX_ALERT_LINES), ...(more > 0 ? [`and ${more} more`] : [])],
  }
}

/** The leaf of a configuration that came after `previous`; undefined: after none. */
export function loadedLeaf(config: Config, previous: string | undefined, changes: readonly string[]): AuditEvent {
  const leaf = {
    type: 'configuration-loaded',
    sha256: config.sha256,
    policies: canonicalPolicies(config.policies),
  } as const
  return previous === undefined ? leaf : { ...leaf, previous, changes }
}

/** One sentence about an outcome, for a command line. Throws `config_invalid` where it was refused. */
export function reloadText(outcome: ReloadOutcome): string {
  switch (outcome.kind) {
    case 'unchanged':
      return 'the configuration in force is the one in the file'
    case 'loaded':
      return ['the configuration is in force', ...outcome.changes].join('\n')
    case 'refused':
      throw new HalliganError('config_invalid', `the configuration was refused: ${outcome.problem}`, {
        hint: 'the one before stays in force; mend the file, then reload',
      })
  }
}

function isChanged(channel: string, changes: readonly string[]): boolean {
  return changes.some((line) => line.startsWith(`channel ${channel}:`) || line.startsWith('secret '))
}
