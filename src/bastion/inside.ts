// Everything between the front ends and the disk: who is known, who is inside, and what they may do.

import { join } from 'node:path'
import type { Grant } from '../access/grant.ts'
import { SearchIndex } from '../archive/search-index.ts'
import { freeSpace } from '../archive/space.ts'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import type { Directory, Identity } from '../identity/user.ts'
import { sessionLog } from '../log.ts'
import { Access } from '../procedure/access.ts'
import { alertsTo } from '../procedure/alert.ts'
import { ApprovalWaits } from '../procedure/approval-waits.ts'
import { announcedAt } from '../procedure/announcement.ts'
import { codeUsedAlerts, mayVouch, type VouchPorts } from '../procedure/bypass.ts'
import { expireGrant } from '../procedure/end.ts'
import { tellExpiring } from '../procedure/expiring.ts'
import { alertGate } from '../procedure/gate.ts'
import { LockOutAlerts } from '../procedure/lock-out-alert.ts'
import type { LockPorts } from '../procedure/lock.ts'
import { Mfa } from '../procedure/mfa.ts'
import type { OfferPorts } from '../procedure/offer.ts'
import { Refusals } from '../procedure/refusal.ts'
import { RequestClock } from '../procedure/request-clock.ts'
import { Reports } from '../procedure/report.ts'
import type { ExplanationPorts } from '../procedure/explanation.ts'
import type { ReviewPorts } from '../procedure/review.ts'
import { Revocations } from '../procedure/revocation.ts'
import type { SearchPorts } from '../procedure/search.ts'
import { Secrets } from '../procedure/secrets.ts'
import { SessionOpenings } from '../procedure/session-opening.ts'
import type { DecisionPorts } from '../procedure/waiting.ts'
import { admit, type Admit } from '../session/admission.ts'
import { Live } from '../session/live.ts'
import type { LockScope } from '../session/locks.ts'
import { Registry } from '../session/registry.ts'
import { openRecorder } from '../session/session-recorder.ts'
import type { SessionEnd } from '../session/session.ts'
import type { Alert } from '../session/state.ts'
import { checkOf } from './checks.ts'
import type { Current } from './current.ts'
import type { Durable } from './durable.ts'
import { recorderAlerts } from './recorder-alert.ts'
import { type DrillOverlay, drillOverlay } from './rehearsals.ts'
import { revoke } from './revoking.ts'
import { Indexing } from './indexing.ts'
import { reviewPorts } from './reviewing.ts'
import { Room } from './room.ts'
import type { Sealer } from './sealer.ts'

export interface Inside {
  /** What is in force: asked each time, never kept. */
  readonly current: Current
  /** The people, and whoever is made for a drill. */
  readonly directory: Directory
  readonly drill: DrillOverlay
  readonly registry: Registry
  readonly live: Live
  readonly access: Access
  readonly mfa: Mfa
  readonly secrets: Secrets
  readonly refusals: Refusals
  /** For ending grants, and for deciding on requests. */
  readonly end: DecisionPorts & LockPorts
  readonly vouch: VouchPorts
  readonly offers: OfferPorts
  readonly waits: ApprovalWaits
  readonly review: ReviewPorts
  readonly explanation: ExplanationPorts
  readonly reports: Reports
  readonly search: SearchPorts & { readonly index: Indexing }
  /** What ended grants must not leave on targets. */
  readonly revocations: Revocations
  /** What is left to record in. */
  readonly room: Room
  readonly admit: Admit
  /** Resolves when the last line and row of every session that has been let in are written. */
  readonly admissionsEnded: () => Promise<void>
}

export function assembleInside(current: Current, clock: Clock, durable: Durable, sealer: Sealer): Inside {
  const { state, journal, outbox, installation } = durable
  const drill = drillOverlay(current.directory)
  const { directory } = drill
  const live = new Live()
  const registry: Registry = new Registry(
    clock,
    (grant) => expireGrant(end, grant),
    (grant) => moreTime(current, grant),
    (grant, minutes) => tellExpiring(telling, grant, minutes),
  )
  const nudge = (): void => outbox.nudge()
  const telling = {
    clock,
    state,
    policy: (of: Parameters<Access['policy']>[0]) => access.policy(of),
    get channels() {
      return current.channels
    },
    nudge,
  }
  const mfa = new Mfa({
    clock,
    state: drill.factors.over(state),
    lockedOutAlerts: new LockOutAlerts(telling).alerts,
    codeUsedAlerts: (identity, left) => codeUsedAlerts(identity, left, current.channels, clock.now()),
    mayVouch: (name) => mayVouch({ directory, locks: registry.locks }, name),
    nudge,
  })
  const review = reviewPorts(current, clock, durable, sealer)
  const { debts } = review
  const access: Access = new Access({
    clock,
    state,
    registry,
    mfa,
    get policies() {
      return current.config.policies
    },
    get targets() {
      return current.config.targets
    },
    get channels() {
      return current.channels
    },
    retiredPolicy: (hash) => current.policyOf(hash),
    debts,
    check: (name) => checkOf(current, clock, name),
    nudge,
  })
  const end: DecisionPorts & LockPorts = {
    clock,
    state,
    registry,
    policy: (of) => access.policy(of),
    get channels() {
      return current.channels
    },
    nudge,
    nudgeRevocations: () => revocations.nudge(),
    knows: (scope) => knowsScope(current, scope),
    directory,
    events: (filter) => state.events(filter),
    requestClock: new RequestClock(clock),
    announcedAt: (grant) => announcedAt(state, grant),
  }
  const revocations = new Revocations({
    clock,
    random: Math.random,
    state,
    get channels() {
      return current.channels
    },
    nudge,
    revoke: (revocation) =>
      revoke(
        {
          clock,
          state,
          registry,
          target: (name) => access.target(name),
          password: (credential) => passwordOf(current, credential),
        },
        revocation,
      ),
  })
  const reports = new Reports({ clock, state })
  const search = { clock, state, index: indexing(current, clock, durable, sealer), policy: review.policy }
  const explanation: ExplanationPorts = {
    clock,
    state,
    directory: current.directory,
    debts,
    get policies() {
      return current.config.policies
    },
    get targets() {
      return current.config.targets
    },
    get configuration() {
      return { sha256: current.config.sha256, refused: current.refused }
    },
  }
  const vouch: VouchPorts = {
    clock,
    state,
    directory,
    locks: registry.locks,
    get channels() {
      return current.channels
    },
    nudge,
  }
  const offers: OfferPorts = {
    clock,
    access,
    directory,
    locks: registry.locks,
    get channels() {
      return current.channels
    },
  }
  const secrets = new Secrets({
    clock,
    state,
    registry,
    directory,
    target: (name) => access.target(name),
    saltKey: installation.saltKey,
    ceremony: (identity, grant) => access.ceremony(identity, grant),
  })
  let journalFailure: HalliganError | undefined
  const room = new Room({
    measure: () => freeSpace(current.config.recordingsDirectory),
    floors: () => current.config.recording,
    channels: () => current.channels,
    clock,
    state,
    registry,
    nudge,
    journalProblem: () => journalFailure && noNewSession(journalFailure),
  })
  /** Alerts sent from memory, by session, until its last row takes them into the outbox: a channel may be down. */
  const alertsSent = new Map<string, readonly Alert[]>()
  const ports: Parameters<typeof admit>[0] = {
    clock,
    state,
    registry,
    ceremony: (identity, grant) => access.ceremony(identity, grant),
    openRecorder: (session, header, onFailure) =>
      openRecorder({
        session: session.id,
        header,
        journal: drill.faults.journalFor(session.id, directory.byName(session.user), journal),
        clock,
        live,
        maxBytes: current.config.recording.maxBytes,
        bulkRefusal: () => room.bulkRefusal(),
        onWritten: (bytes) => room.written.add(session.id, bytes),
        onFailure,
      }),
    checkSpace: (session) => room.check(session),
    onEnded: async (session, sessionEnd, at) => {
      room.written.forget(session.id)
      const alerts = alertsSent.get(session.id) ?? []
      alertsSent.delete(session.id)
      await sealer.ended(session, sessionEnd, at, alerts)
    },
    onRecorderFailure: (session, error, why) => {
      sessionLog.error('session.recorder-failed', { session: session.id, why, error })
      const alerts = recorderAlerts(session, error, why, current.channels, clock.now(), directory)
      alertsSent.set(session.id, alerts)
      for (const alert of alerts) void outbox.sendNow(alert)
    },
    openedAlerts: new SessionOpenings(telling).alerts,
    gate: alertGate(telling, (listener) =>
      durable.feed.watch(({ topic }) => {
        if (topic === 'alerts') listener()
      }),
    ),
  }
  // The journal may fail while nobody types: whoever is inside then leaves at once.
  void journal.failed.then((error) => {
    journalFailure = error
    registry.endAll(journalFailed(error))
  })
  const refusals = new Refusals(clock, state, (block, count, at) =>
    alertsTo(current.channels, 'logins.refused', { address: block, count }, at),
  )
  const inProgress = new Set<Promise<unknown>>()
  const admitted: Admit = async (request) => {
    mustBeKnown(current, request.identity)
    // From the first moment: one that is held at the alert gate has lines to write as well.
    const over = admit(ports, request)
    const written = over.then(
      (admission) => admission.ended,
      () => undefined,
    )
    inProgress.add(written)
    void written.then(() => inProgress.delete(written))
    return over
  }
  const admissionsEnded = async (): Promise<void> => {
    await Promise.all(inProgress)
  }
  return {
    current,
    directory,
    drill,
    registry,
    live,
    access,
    mfa,
    secrets,
    refusals,
    end,
    vouch,
    offers,
    waits: new ApprovalWaits(),
    review,
    explanation,
    reports,
    search,
    revocations,
    room,
    admit: admitted,
    admissionsEnded,
  }
}

function indexing({ config }: Current, clock: Clock, { state }: Durable, sealer: Sealer): Indexing {
  const places = { file: join(config.stateDirectory, 'search.db'), recordings: config.recordingsDirectory }
  const index = new Indexing(clock, state, new SearchIndex(clock, places))
  sealer.onSealed = (session) => index.sealed(session)
  return index
}

/** How a warning ends for people who may extend the grant themselves. */
function moreTime(current: Current, grant: Grant): string | undefined {
  const { count, self } = current.policyOf(grant.policyHash)?.duration.extensions ?? { count: 0, self: false }
  if (!self || grant.extensions.length >= count) return undefined
  return `more time: ssh ${grant.user}@${current.config.hostname} extend`
}

/** Whether there is such a person or target; whoever was disabled may still be locked. */
function knowsScope(current: Current, scope: LockScope): boolean {
  const [kind, name] = scope.split(':')
  if (kind === 'user') return current.config.users.some((user) => user.name === name)
  return kind === 'all' || current.config.targets.some((target) => target.name === name)
}

/** A stored password by its name; undefined when there is none. */
export function passwordOf({ secrets }: Current, credential: string): string | undefined {
  return secrets.has(credential) ? secrets.read(credential) : undefined
}

/** Whoever left the configuration, or whose key did, is on a connection that is still open. Throws `denied`. */
export function mustBeKnown(current: Current, identity: Identity): void {
  if (current.knows(identity)) return
  throw new HalliganError('denied', `${identity.user.name} may no longer come in with this key`, {
    hint: "ask Halligan's administrator; the configuration has changed",
  })
}

function journalFailed({ message }: HalliganError): SessionEnd {
  return {
    reason: 'recorder-failed',
    code: 'recorder_failed',
    message: `this session can no longer be recorded: ${message}`,
  }
}

/** What has failed stays failed until a new start: a session let in now would only be ended. */
function noNewSession({ message, hint }: HalliganError): HalliganError {
  return new HalliganError('unavailable', `no session can be recorded: ${message}`, {
    hint: `tell Halligan's operator: ${hint ?? 'the log has the cause'}`,
  })
}
