// One whole Halligan: opens what is durable, carries what a crash left to its end, wires the rooms, then listens.
// main.ts and tests start it; nothing below knows it.

import type { AuditEvent } from '../audit.ts'
import type { Clock, Timer } from '../clock.ts'
import type { HttpServer } from '../http/server.ts'
import { mainLog } from '../log.ts'
import { alertsTo } from '../procedure/alert.ts'
import type { DrillContract } from '../procedure/drill.ts'
import { sweepReviews } from '../procedure/review-late.ts'
import type { Anchoring } from '../procedure/anchoring.ts'
import { resumeLocks } from '../procedure/lock.ts'
import { resumeGrants, sweep } from '../procedure/sweep.ts'
import type { Registry } from '../session/registry.ts'
import type { State } from '../session/state.ts'
import { anchorPlaces, anchoring } from './anchors.ts'
import { listenControl } from './control.ts'
import { followConfiguration, machineProblem, startingConfiguration, takeOver } from './configuration.ts'
import { Current } from './current.ts'
import { openDurable, type Durable } from './durable.ts'
import { openFronts, type Address, type FrontOptions } from './fronts.ts'
import { assembleInside, type Inside } from './inside.ts'
import type { Installation } from './installation.ts'
import { reloadText } from './reload.ts'
import { localAct } from './local-act.ts'
import { openDrills, rehearsals } from './rehearsals.ts'
import { Sealer } from './sealer.ts'

/** A running Halligan. */
export interface Bastion {
  readonly installation: Installation
  readonly ssh: Address
  readonly postgres: Address
  readonly web: HttpServer
  readonly state: State
  readonly registry: Registry
  readonly drills: DrillContract
  /**
   * Takes up a changed configuration, on the word of `by`; says what changed. Throws `config_invalid` when it was refused,
   * `store_failed`. Undefined where nothing reads it again.
   */
  readonly reload: ((by: string) => Promise<string>) | undefined
  /** Sets a person's one-time-code secret (base32); what was enrolled before stops counting. */
  enrol(user: string, secret: string): Promise<void>
  /** Ends every session with a message, seals, and lets go of the state directory. Harmless when called twice. */
  close(): Promise<void>
}

/** Sessions have this long to be recorded and sealed when Halligan stops; what is left is sealed at the next start. */
const CLOSE_MS = 10_000

/** An epoch record covers each minute in which anything was recorded (design §8). */
const MINUTE_MS = 60_000

/** How often waiting requests are looked at, and sealing that failed is tried again. */
const SWEEP_MS = 5_000

/** How often the room left for recordings is looked at: the fastest disk is not filled from the last floor in between. */
const SPACE_MS = 1_000

/** The wall clock may drift this far from the monotonic one before it counts as a step. */
const CLOCK_STEP_MS = 2000

/**
 * Starts one. Throws `state_locked` when another owns the directory, `config_invalid`, `store_failed`, `journal_failed`,
 * or a listener's error; whatever was opened by then is closed.
 */
export async function startBastion(options: FrontOptions): Promise<Bastion> {
  const opened = new AsyncDisposableStack()
  try {
    const bastion = await start(options, opened)
    return { ...bastion, close: () => opened.disposeAsync() }
  } catch (error) {
    await opened.disposeAsync()
    throw error
  }
}

async function start(options: FrontOptions, opened: AsyncDisposableStack): Promise<Omit<Bastion, 'close'>> {
  const { config, clock } = options
  const problem = machineProblem(config)
  if (problem !== undefined) throw problem
  const durable = await openDurable(options, opened)
  const sealer = new Sealer(durable, clock, { recordings: config.recordingsDirectory, state: config.stateDirectory })
  const current = new Current(config, options.secrets)
  const inside = assembleInside(current, clock, durable, sealer)
  const anchors = anchoring(clock, current, durable)
  const drills = rehearsals(clock, durable, inside, options.stories ?? '')
  await recover(options, durable, inside, sealer)
  await drills.recover()
  // Before anyone is let in: whether this is still the ledger that was anchored. No place is waited for.
  await anchors.start(anchorPlaces(config, options.secrets, clock))
  opened.defer(() => lastWords(durable, sealer, anchors))
  const fronts = await openFronts(options, durable, inside, sealer, opened, drills, anchors)
  openDrills(drills, durable, fronts)
  keepTime(clock, durable, inside, sealer, opened)
  opened.defer(repeat(clock, MINUTE_MS, () => drills.tick()))
  inside.search.index.lookAtAll()
  opened.defer(() => inside.search.index.close())
  opened.defer(() => leave(clock, inside, sealer))
  opened.defer(() => drills.close())
  opened.defer(() => inside.revocations.close())
  const { read } = options
  const reloader =
    read === undefined
      ? undefined
      : followConfiguration({ clock, file: config.file, read }, durable, inside, anchors, opened)
  const reload = reloader && (async (by: string) => reloadText(await reloader.reload(by)))
  const control = await listenControl(
    config.stateDirectory,
    clock,
    localAct({ clock, state: durable.state, registry: inside.registry, lock: inside.end, reload }),
  )
  opened.defer(() => control.close())
  durable.outbox.nudge()
  inside.revocations.nudge()
  return {
    installation: durable.installation,
    ...fronts,
    state: durable.state,
    registry: inside.registry,
    drills,
    reload,
    enrol: async (user, secret) => {
      const leaf: AuditEvent = { type: 'local-command', actor: 'halligan', command: `enrol ${user}` }
      await durable.state.commit({ at: clock.now(), writes: [{ kind: 'totp-enrolled', user, secret }], leaves: [leaf] })
    },
  }
}

/** Carries what a crash left to its end, before anyone is let in. */
async function recover(
  { config, clock }: FrontOptions,
  durable: Durable,
  inside: Inside,
  sealer: Sealer,
): Promise<void> {
  const { state, journal, installation } = durable
  const { recovery } = journal
  const at = clock.now()
  const sealed = await sealer.recover()
  const leaves: AuditEvent[] = []
  if ((await state.ledgerHead()).size === 0)
    leaves.push({
      type: 'ledger-started',
      genesisPublicKey: recovery.genesisPublicKey,
      installation: installation.name,
    })
  const configuration = await startingConfiguration(inside, durable, at)
  leaves.push(...configuration.leaves)
  if (durable.ledgerProblem !== null) leaves.push({ type: 'ledger-damaged', problem: durable.ledgerProblem })
  // What an earlier start has told of is not told again.
  const damage = recovery.damage.filter(({ known }) => !known).map(({ kind }) => kind)
  const newGenesis = await untoldGenesis(durable)
  const isTroubled =
    durable.ledgerProblem !== null ||
    recovery.tornBytes > 0 ||
    damage.length > 0 ||
    sealed.length > 0 ||
    newGenesis !== undefined
  if (isTroubled)
    leaves.push({
      type: 'journal-recovered',
      head: journal.head().head,
      tornBytes: recovery.tornBytes,
      sessions: sealed,
      ...(newGenesis === undefined ? {} : { genesisPublicKey: newGenesis }),
    })
  const channels = config.channels.map((channel) => channel.name)
  const { tornBytes } = recovery
  const facts = { tornBytes, damage, ledger: durable.ledgerProblem, sessions: sealed, newGenesis: newGenesis ?? null }
  await state.commit({
    at,
    writes: [
      ...configuration.writes,
      ...(newGenesis === undefined ? [] : [{ kind: 'setting', name: TOLD_GENESIS, value: newGenesis } as const]),
    ],
    leaves,
    alerts: [...configuration.alerts, ...(isTroubled ? alertsTo(channels, 'journal.recovered', facts, at) : [])],
  })
  await resumeLocks(inside.end)
  await resumeGrants(inside.end, recovery.newestWallMs)
  await takeOver(inside, durable, clock, at)
  await sweepReviews(inside.review)
}

/** The setting that holds the newest genesis key that was told of. */
const TOLD_GENESIS = 'told-genesis'

/** The key of a chain that had to begin anew, unless an earlier start has told of it. */
async function untoldGenesis({ state, journal, hasPinnedGenesis }: Durable): Promise<string | undefined> {
  const { genesisPublicKey } = journal.recovery
  if (hasPinnedGenesis || (await state.setting(TOLD_GENESIS)) === genesisPublicKey) return undefined
  return genesisPublicKey
}

/** What happens by the clock alone: epochs, lapses, retries of sealing, steps of the wall clock. */
function keepTime(clock: Clock, durable: Durable, inside: Inside, sealer: Sealer, opened: AsyncDisposableStack): void {
  const every = (ms: number, run: () => Promise<void>) => opened.defer(repeat(clock, ms, run))
  let covered = durable.journal.head().seq
  every(MINUTE_MS, async () => {
    if (durable.journal.head().seq === covered) return
    const ledger = await durable.state.ledgerHead()
    await durable.journal.epoch(ledger)
    sealer.checkpoint(ledger)
    covered = durable.journal.head().seq
  })
  every(SWEEP_MS, async () => {
    await sweep(inside.end)
    await sweepReviews(inside.review)
    await sealer.retry()
  })
  every(SPACE_MS, () => inside.room.look())
  let offsetMs = clock.now() - clock.monotonicUs() / 1000
  every(1000, async () => {
    const byMs = Math.round(clock.now() - clock.monotonicUs() / 1000 - offsetMs)
    if (Math.abs(byMs) < CLOCK_STEP_MS) return
    offsetMs += byMs
    await durable.state.commit({ at: clock.now(), writes: [], leaves: [{ type: 'clock-stepped', byMs }] })
  })
}

/** Runs `run` again and again, `ms` after it ended; gives what stops it and waits for the last run. */
function repeat(clock: Clock, ms: number, run: () => Promise<void>): () => Promise<void> {
  let timer: Timer | undefined
  let running: Promise<void> | undefined
  let isStopped = false
  const wait = (): void => {
    timer = clock.after(ms, () => {
      running = run()
        .catch((error: unknown) => mainLog.error('bastion.periodic-work-failed', { error }))
        .finally(() => {
          running = undefined
          if (!isStopped) wait()
        })
    })
  }
  wait()
  return async () => {
    isStopped = true
    timer?.cancel()
    await running
  }
}

/** Everyone inside is told and recorded; what is not sealed in time is sealed at the next start. */
async function leave(clock: Clock, inside: Inside, sealer: Sealer): Promise<void> {
  inside.registry.close({ reason: 'shutdown', code: 'unavailable', message: 'halligan is stopping' })
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const timer = clock.after(CLOSE_MS, resolve)
  await Promise.race([inside.admissionsEnded().then(() => sealer.settled()), late])
  timer.cancel()
}

/** When nothing else writes any more: what was on its way to channels and anchors is settled, since each acceptance is a row as well. */
async function lastWords(durable: Durable, sealer: Sealer, anchors: Anchoring): Promise<void> {
  await durable.outbox.close()
  await anchors.close()
  try {
    const ledger = await durable.state.ledgerHead()
    await durable.journal.epoch(ledger)
    sealer.checkpoint(ledger)
  } catch (error) {
    // The journal may have failed before: the chain then ends at its last epoch record, as a crash would leave it.
    mainLog.error('bastion.last-epoch-not-written', { error })
  }
}
