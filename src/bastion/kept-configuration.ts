// The configuration that was last in force, kept in the state: a change made while Halligan was down is told as well, and
// through the channels there were. It names secrets and holds none.

import { policyHash } from '../access/policy-hash.ts'
import type { Policy } from '../access/policy.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { diffConfig } from '../config/diff.ts'
import type { Secrets } from '../config/secrets.ts'
import { mainLog } from '../log.ts'
import type { Channel } from '../notify/channel.ts'
import type { State, Write } from '../session/state.ts'
import { channelOf } from './channels.ts'
import { configurationOf } from './channel-mark.ts'
import { markedChannel } from '../notify/marked-channel.ts'
import type { Current } from './current.ts'

const SETTING = 'configuration'

/** Configurations looked at for the policies of grants that live on: more than change while one is reviewed. */
const LEAVES_LOOKED_AT = 200
const GRANTS_LOOKED_AT = 1000

/** What was in force before this start. */
export interface Kept {
  readonly sha256: string
  readonly config: Config
}

/** The write that keeps it. */
export function keeping(config: Config): Write {
  return { kind: 'setting', name: SETTING, value: JSON.stringify({ sha256: config.sha256, config }) }
}

/** What was kept; undefined at a first start, or where an earlier version kept something else. */
export async function keptConfiguration(state: Pick<State, 'setting'>): Promise<Kept | undefined> {
  const text = await state.setting(SETTING)
  if (text === undefined) return undefined
  try {
    const read = JSON.parse(text) as Kept
    // Versions before anchors kept none.
    const kept: Kept = { ...read, config: { ...read.config, anchors: read.config.anchors ?? [] } }
    // Every part that will be read is read once here.
    diffConfig(kept.config, kept.config)
    for (const policy of kept.config.policies) policyHash(policy)
    return kept
  } catch (error) {
    mainLog.error('configuration.kept-unreadable', { error })
    return undefined
  }
}

/** The channels there were, as far as their secrets are still there. */
export function channelsThere(kept: Kept, secrets: Secrets, clock: Clock): Channel[] {
  const { config } = kept
  return config.channels.flatMap((channel) => {
    try {
      return markedChannel(channelOf(channel, config.hostname, secrets, clock), configurationOf(channel, secrets))
    } catch (error) {
      mainLog.error('configuration.old-channel-gone', { channel: channel.name, error })
      return []
    }
  })
}

/** Finds in the ledger the policies that grants were made under which are not over yet, and that nobody has any more. */
export async function recallPolicies(state: Pick<State, 'grants' | 'events'>, current: Current): Promise<void> {
  const grants = await state.grants({ states: ['requested', 'active', 'awaiting-review'], limit: GRANTS_LOOKED_AT })
  const wanted = new Set(grants.map((grant) => grant.policyHash).filter((hash) => current.policyOf(hash) === undefined))
  if (wanted.size === 0) return
  for (const { event } of await state.events({ types: ['configuration-loaded'], limit: LEAVES_LOOKED_AT })) {
    if (event.type !== 'configuration-loaded') continue
    current.know(policiesIn(event.policies).filter((policy) => wanted.has(policy.hash) && isWhole(policy)))
  }
}

function policiesIn(text: string): Policy[] {
  try {
    const policies: unknown = JSON.parse(text)
    return Array.isArray(policies) ? (policies as Policy[]) : []
  } catch (error) {
    mainLog.error('configuration.policies-unreadable', { error })
    return []
  }
}

/** The text its hash says, with every field that this version reads. */
function isWhole(policy: Policy): boolean {
  return 'windows' in policy && 'onCall' in policy && policyHash(policy) === policy.hash
}
