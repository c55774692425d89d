// An Admission is the proof that a session may reach its target: minted only by `admit`, here, when a channel or
// connection opens; held by the registry before anything is dialled, so that an end between check and dial cancels it.

import type { Grant } from '../access/grant.ts'
import type { Clock } from '../clock.ts'
import { assert, errorCodes, HalliganError, safeError } from '../errors.ts'
import type { Identity } from '../identity/user.ts'
import { sessionLog } from '../log.ts'
import type { Target } from '../target.ts'
import { advance, type SessionState } from './lifecycle.ts'
import { headerOf, openedLeaf, openRow, sessionOf, type AdmissionRequest } from './opening.ts'
import { scopeProblem } from './scope.ts'
import type { Recorder } from './recorder.ts'
import type { Registry } from './registry.ts'
import type { OnRecorderFailure } from './session-recorder.ts'
import type { Session, SessionEnd } from './session.ts'
import type { Alert, State } from './state.ts'

interface Minted {
  readonly session: Session
  readonly grant: Grant
  readonly target: Target
  readonly controller: AbortController
  readonly clock: Clock
  readonly ports: AdmissionPorts
}

let mint: (minted: Minted) => Admission

/** What every dialer takes, and nothing else. It cannot be built outside this file, nor a look-alike pass for one. */
export class Admission {
  readonly session: Session
  readonly grant: Grant
  readonly target: Target
  readonly account: string
  readonly database: string | null
  /** Resolves when the last line is durable (or the recorder has failed) after an end. */
  readonly ended: Promise<SessionEnd>
  readonly #controller: AbortController
  readonly #ports: AdmissionPorts
  readonly #notices: ((text: string) => void)[] = []
  readonly #remarks: string[] = []
  readonly #resolveEnded: (end: SessionEnd) => void
  /** How much of the opening was written, once that is known: an end is written behind it, never beside it. */
  readonly #opening = Promise.withResolvers<'nothing' | 'row' | 'header'>()
  #recorder: Recorder | undefined
  #state: SessionState = 'opening'

  private constructor({ session, grant, target, controller, ports }: Minted) {
    this.session = session
    this.grant = grant
    this.target = target
    this.account = session.account
    this.database = session.database
    this.#controller = controller
    this.#ports = ports
    const { promise, resolve } = Promise.withResolvers<SessionEnd>()
    this.ended = promise
    this.#resolveEnded = resolve
  }

  static {
    mint = (minted: Minted): Admission => new Admission(minted)
  }

  /** Throws for anything that only looks like one. Every dialer asks first: what the compiler forbids can still be cast. */
  static assertMinted(admission: Admission): void {
    assert(#controller in admission, 'an admission was minted by the admission check')
  }

  /** Aborted when the session must end now; `signal.reason` is a SessionEnd. Sockets close first, records follow. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get recorder(): Recorder {
    assert(this.#recorder !== undefined, 'an admission is handed out with its recorder open')
    return this.#recorder
  }

  get state(): SessionState {
    return this.#state
  }

  /** What whoever comes in must know from the first moment, a line each; it is in the recording by then. */
  get remarks(): readonly string[] {
    return this.#remarks
  }

  /** Records a remark; resolves when it is durable. */
  async remark(kind: string, line: string): Promise<void> {
    await this.recorder.fact('n', { kind, text: line })
    this.#remarks.push(line)
  }

  /** Calls back with a warning line for the user (10, 5, 1 minutes before the end). */
  onNotice(listener: (text: string) => void): void {
    this.#notices.push(listener)
  }

  /** The dialer tells which process serves the session on its target: what the end of the grant must not leave running. */
  reached(pid: number): void {
    this.#ports.registry.reached(this.session, pid)
  }

  /** Shows a line to the user and records it. */
  notice(text: string): void {
    this.#recorder?.fact('n', { kind: 'notice', text }).catch(() => {
      // The recorder's failure ends the session by its own way.
    })
    for (const listener of this.#notices) listener(text)
  }

  /** Takes the recorder once its header line is durable; also when the session has ended meanwhile, to say so in it. */
  opened(recorder: Recorder): void {
    this.#recorder = recorder
    if (this.#state === 'opening') this.#state = advance(this.#state, 'opened')
    this.#opening.resolve('header')
  }

  /** Nothing more will be written of the opening; harmless once it is open. */
  notOpened(written: 'nothing' | 'row'): void {
    this.#opening.resolve(written)
  }

  /** Ends the session (exit, close, violation, expiry, kill). Idempotent: the first reason stays. */
  end(end: SessionEnd): void {
    if (this.#state === 'ending' || this.#state === 'ended' || this.#state === 'sealed') return
    this.#state = advance(this.#state, 'end')
    this.#controller.abort(end)
    this.#ports.registry.release(this.session.id)
    void this.#record(end)
  }

  /** To let in, write first; to end, act first: by now sockets are closed. */
  async #record(end: SessionEnd): Promise<void> {
    const at = this.#ports.clock.now()
    const written = await this.#opening.promise
    let recorded = end
    try {
      await this.#recorder?.fact('n', { kind: 'end', reason: end.reason, message: end.message })
      await this.#recorder?.fact('x', String(end.exitStatus ?? (end.code === null ? 0 : errorCodes[end.code].exit)))
    } catch (error) {
      sessionLog.error('session.last-line-lost', { session: this.session.id, error })
      const isSaid = end.reason === 'recorder-failed'
      const message = isSaid ? end.message : `${end.message} (its last lines were not recorded)`
      recorded = { ...end, isRecorded: false, message }
    }
    this.#state = advance(this.#state, 'recorded')
    if (written !== 'nothing') await this.#ports.onEnded(this.session, recorded, at)
    this.#resolveEnded(recorded)
  }
}

/** The name the rooms above know it by. */
export type AdmissionContract = Admission

/** Refused with `no_grant`, `grant_expired`, `mfa_required`, `denied`, `unavailable`, `recorder_failed`, `store_failed`. */
export type Admit = (request: AdmissionRequest) => Promise<Admission>

/**
 * The alert gate (design §4): resolves when the session may go on. Throws `denied` where its policy refuses, and anything
 * once `signal` has aborted.
 */
export type Gate = (
  session: Session,
  grant: Grant,
  waiting: { readonly signal: AbortSignal; readonly tell: (line: string) => void },
) => Promise<GateOutcome>

export type GateOutcome =
  | { readonly kind: 'open' }
  /** Nobody outside has been told; that is written by now, and `line` says it to whoever comes in. */
  | { readonly kind: 'unannounced'; readonly line: string }

export interface AdmissionPorts {
  readonly clock: Clock
  readonly state: Pick<State, 'commit'>
  readonly registry: Registry
  /** The second factor that counts for this identity under this grant now, or undefined. */
  readonly ceremony: (identity: Identity, grant: Grant) => string | undefined
  /** Opens the recorder; resolves when the header line is durable. `onFailure` is called once, at the first failure. */
  readonly openRecorder: (
    session: Session,
    header: Readonly<Record<string, unknown>>,
    onFailure: OnRecorderFailure,
  ) => Promise<Recorder>
  /** Refuses a new session when it could not be recorded, for want of room or of a journal: throws `unavailable`. */
  readonly checkSpace: (session: Session) => Promise<void>
  /** What is told of a session that opens; written with its row. */
  readonly openedAlerts: (session: Session, grant: Grant) => readonly Alert[]
  /** Asked after the header line is durable and before anything is dialled. */
  readonly gate: Gate
  /** The row, the alert, the seal: whatever follows the last line. Never throws. */
  readonly onEnded: (session: Session, end: SessionEnd, at: number) => Promise<void>
  /** Tells people at once, from memory, that recording failed, or that the session has written as much as one may. */
  readonly onRecorderFailure: (session: Session, error: Error, why: Parameters<OnRecorderFailure>[1]) => void
}

/**
 * The admission check. In order (design §8, Open): the grant is live and covers this; the second factor counts; the
 * registry holds it; row and leaf are written in one transaction; the header line is durable; the alert gate is open.
 * Only then may be dialled.
 */
export async function admit(ports: AdmissionPorts, request: AdmissionRequest): Promise<Admission> {
  const grant = coveringGrant(ports.registry, request)
  const mfa = secondFactor(ports, request, grant)
  const session = sessionOf(request, mfa, ports.clock.now())
  const admission = mint({
    session,
    grant,
    target: request.target,
    controller: new AbortController(),
    clock: ports.clock,
    ports,
  })
  ports.registry.hold({ session, end: (end) => admission.end(end), notice: (text) => admission.notice(text) })
  const gone = (): void => admission.end(GONE)
  request.gone?.addEventListener('abort', gone, { once: true })
  if (request.gone?.aborted === true) gone()
  let written: 'nothing' | 'row' = 'nothing'
  try {
    await ports.checkSpace(session)
    throwIfEnded(admission)
    await ports.state.commit({
      at: session.openedAt,
      writes: [{ kind: 'session-open', session: openRow(session) }],
      leaves: [openedLeaf(session)],
      alerts: ports.openedAlerts(session, grant),
    })
    written = 'row'
    const recorder = await ports.openRecorder(session, headerOf(session, grant, request.what), (error, why) => {
      ports.onRecorderFailure(session, error, why)
      admission.end({
        reason: endReasons[why],
        code: 'recorder_failed',
        message: error.message,
      })
    })
    admission.opened(recorder)
    throwIfEnded(admission)
    await passGate(ports, admission, request)
    throwIfEnded(admission)
    return admission
  } catch (error) {
    admission.notOpened(written)
    admission.end({ reason: 'recorder-failed', code: 'recorder_failed', message: 'the session could not be opened' })
    await admission.ended
    throw error
  } finally {
    request.gone?.removeEventListener('abort', gone)
  }
}

const endReasons = { failed: 'recorder-failed', full: 'recording-full', 'no-room': 'no-room' } as const

const GONE: SessionEnd = { reason: 'client-closed', code: null, message: 'the client went before the session was open' }

/** Waits until somebody has been told, or the policy says otherwise; an end during that time comes first. */
async function passGate(ports: AdmissionPorts, admission: Admission, request: AdmissionRequest): Promise<void> {
  const { session, grant, signal } = admission
  try {
    for (const line of checkRemarks(grant)) await admission.remark('check', line)
    const outcome = await ports.gate(session, grant, {
      signal,
      tell: (line) => {
        admission.notice(line)
        request.tell?.(line)
      },
    })
    if (outcome.kind === 'unannounced') await admission.remark('unannounced', outcome.line)
  } catch (error) {
    throwIfEnded(admission)
    const { code, message } = safeError(error)
    admission.end({ reason: 'unannounced', code, message })
    throw error
  }
}

/** A check that could not be asked, and did not stand in the way: whoever comes in is told. */
function checkRemarks(grant: Grant): string[] {
  return grant.checks
    .filter(({ outcome }) => outcome === 'error')
    .map(({ check, detail }) => `check ${check} could not be asked, and the policy allows that: ${detail}`)
}

function coveringGrant(registry: Registry, request: AdmissionRequest): Grant {
  const grant = registry.live(request.grant)
  const covers =
    grant !== undefined &&
    grant.user === request.identity.user.name &&
    grant.target === request.target.name &&
    grant.account === request.account &&
    (request.database === null || grant.databases.length === 0 || grant.databases.includes(request.database))
  if (!covers)
    throw new HalliganError('no_grant', `no live grant covers ${request.account}@${request.target.name}`, {
      hint: `ask for one: ssh ${request.identity.user.name}@BASTION request ${request.target.name}`,
    })
  const problem = scopeProblem(grant, request.what)
  if (problem !== undefined) throw problem
  return grant
}

function secondFactor(ports: AdmissionPorts, request: AdmissionRequest, grant: Grant): string {
  if (request.via === 'ceremony') {
    const method = ports.ceremony(request.identity, grant)
    if (method === undefined)
      throw new HalliganError('mfa_required', 'this needs your second factor', {
        hint: 'connect again from a terminal and type your code',
      })
    return method
  }
  if (request.via.secret.grant !== grant.id || request.via.secret.endedAt !== null)
    throw new HalliganError('no_grant', 'this secret does not belong to a live grant')
  return `grant-secret/${request.via.scram}`
}

function throwIfEnded(admission: Admission): void {
  if (!admission.signal.aborted) return
  const end = admission.signal.reason as SessionEnd
  throw new HalliganError(end.code ?? 'unavailable', end.message)
}
