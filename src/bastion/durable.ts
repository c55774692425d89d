// What outlives the process: the state directory's lock and keys, the state, the journal, the outbox.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { AuditEvent } from '../audit.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { Secrets } from '../config/secrets.ts'
import { Feed, withFeed } from '../http/feed.ts'
import type { FileSystem } from '../journal/file-port.ts'
import { openJournal, type OpenJournal } from '../journal/journal.ts'
import { Outbox } from '../notify/outbox.ts'
import { linked } from '../procedure/link.ts'
import type { LedgerHead, State } from '../session/state.ts'
import { holdStateDirectory } from '../store/lock.ts'
import { openState } from '../store/state.ts'
import { channelsOf } from './channels.ts'
import { channelsThere, keptConfiguration, type Kept } from './kept-configuration.ts'
import { openInstallation, publishKey, type Installation } from './installation.ts'

export interface DurableOptions {
  readonly config: Config
  readonly secrets: Secrets
  readonly clock: Clock
  /** For tests: the files the journal writes to. */
  readonly journalFiles?: FileSystem
}

export interface Durable {
  readonly installation: Installation
  readonly state: State
  /** What is wrong with the ledger's rows, found at start; null when they give the root that the last commit left. */
  readonly ledgerProblem: string | null
  /** Whether the journal's chain begins with the key that users pinned. */
  readonly hasPinnedGenesis: boolean
  readonly feed: Feed
  /** Called after every commit, with its leaves and the head that it left. Must not throw. */
  readonly onCommit: Set<(leaves: readonly AuditEvent[], head: LedgerHead) => void>
  readonly journal: OpenJournal
  readonly outbox: Outbox
  /** What was in force before, where its channels were others: the outbox has those until the change has been told. */
  readonly there: Kept | undefined
  /** Where people reach the page: links in alerts lead there. Null until it listens, where none is configured. */
  readonly page: { url: string | null }
}

/** Opens it all, in this order; `opened` closes what was opened, in reverse. Throws `state_locked`, `store_failed`, `journal_failed`, `config_invalid`. */
export async function openDurable(
  { config, secrets, clock, journalFiles }: DurableOptions,
  opened: AsyncDisposableStack,
): Promise<Durable> {
  const lock = holdStateDirectory(config.stateDirectory)
  opened.defer(() => lock.release())
  mkdirSync(config.recordingsDirectory, { recursive: true, mode: 0o700 })
  const installation = openInstallation(config.stateDirectory, certificateNames(config), clock)
  const feed = new Feed()
  const stored = await openState({
    file: join(config.stateDirectory, 'halligan.db'),
    clock,
    keyEncryptionKey: secrets.encryptionKey(),
  })
  opened.defer(() => stored.close())
  const onCommit: Durable['onCommit'] = new Set()
  const page = { url: config.listen.web.url }
  const fed = withFeed(stored, feed)
  // Every alert is written with the mark of its channel as it is configured at that moment: the alert gate asks for it.
  const state: State = {
    ...fed,
    commit: async (change) => {
      const head = await fed.commit(
        change.alerts === undefined
          ? change
          : { ...change, alerts: change.alerts.map((one) => outbox.mark(linked(one, page.url))) },
      )
      for (const told of onCommit) told(change.leaves, head)
      return head
    },
  }
  const journal = await openJournal({
    dir: join(config.recordingsDirectory, 'journal'),
    segmentBytes: config.journal.segmentBytes,
    epochKeyFile: installation.epochKeyFile,
    clock,
    ...(journalFiles === undefined ? {} : { fileSystem: journalFiles }),
  })
  opened.defer(() => journal.close())
  const hasPinnedGenesis = publishKey(installation, Buffer.from(journal.recovery.genesisPublicKey, 'hex'))
  const configured = channelsOf(config, secrets, clock)
  const there = await otherChannels(stored, config)
  const channels = there === undefined ? configured : channelsThere(there, secrets, clock)
  const outbox: Outbox = new Outbox({ state, channels, clock, random: Math.random })
  opened.defer(() => outbox.close())
  const ledgerProblem = stored.integrity === 'ok' ? null : stored.integrity.problem
  return { installation, state, ledgerProblem, hasPinnedGenesis, feed, onCommit, journal, outbox, there, page }
}

async function otherChannels(state: Pick<State, 'setting'>, config: Config): Promise<Kept | undefined> {
  const kept = await keptConfiguration(state)
  return JSON.stringify(kept?.config.channels) === JSON.stringify(config.channels) ? undefined : kept
}

/** Names and addresses that a `verify-full` client may use for the PostgreSQL port. */
function certificateNames(config: Config): string[] {
  return [...new Set([config.hostname, 'localhost', '127.0.0.1', '::1'])]
}
