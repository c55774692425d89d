// Waiting for an approval on the channel: for a person at a terminal who was asked, since when, whether anyone was reached
// and what they may do meanwhile; for a script an answer at once.
import type { Grant } from '../access/grant.ts'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import type { Identity } from '../identity/user.ts'
import type { ApprovalWaits } from '../procedure/approval-waits.ts'
import type { AccessContract } from '../procedure/contract.ts'
import { waitingLine, type Waiting } from '../procedure/waiting.ts'
import { ascii } from './banner.ts'

/** How often the request is looked at. */
const POLL_MS = 1_000
/** A sign of life while nothing happens. */
const PROGRESS_MS = 30_000

export interface ApprovalWait {
  readonly identity: Identity
  readonly target: string
  readonly account: string | undefined
  readonly isTerminal: boolean
  readonly write: (line: string) => void
  readonly gone: AbortSignal
}

export interface ApprovalPorts {
  readonly clock: Clock
  readonly access: AccessContract
  /** The grant that waits for approval and would cover this. */
  readonly waitingGrant: (identity: Identity, target: string, account: string | undefined) => Promise<Grant | undefined>
  /** A grant as it stands now. */
  readonly grant: (id: string) => Promise<Grant | undefined>
  /** How a waiting request stands. Throws `conflict` when its policy is in force no more. */
  readonly waiting: (grant: Grant) => Promise<Waiting>
  /** A pool of its own: waiting people hold connections for as long as their requests live. */
  readonly waits: ApprovalWaits
}

/**
 * Gives the grant once it is live. Throws `no_grant` when none waits, `approval_pending` without a terminal or when the
 * person gives up, `unavailable` when they wait on enough connections, `denied`.
 */
export async function awaitApproval(ports: ApprovalPorts, wait: ApprovalWait): Promise<Grant> {
  const requested = await ports.waitingGrant(wait.identity, wait.target, wait.account)
  if (requested === undefined) throw noGrant(wait)
  mustBeOpen(ports, wait)
  if (!wait.isTerminal) throw pending(await ports.waiting(requested), ports.clock.now())
  const leave = ports.waits.take(wait.identity.user.name)
  try {
    wait.write('halligan: Ctrl-C gives up waiting, the request stays')
    return await decided(ports, wait, requested)
  } finally {
    leave()
  }
}

async function decided(ports: ApprovalPorts, wait: ApprovalWait, requested: Grant): Promise<Grant> {
  const { clock, access } = ports
  let said = ''
  let saidAtUs = 0
  // It lapses by itself, and then this ends: nobody waits for ever.
  for (let now: Grant | undefined = requested; ; now = await ports.grant(requested.id)) {
    if (now?.state === 'active') return (await access.liveGrant(wait.identity, wait.target, wait.account)) ?? now
    if (now === undefined || now.state !== 'requested') throw over(requested.id, now)
    mustBeOpen(ports, wait)
    const waiting = await ports.waiting(now)
    if (wait.gone.aborted) throw pending(waiting, clock.now())
    const news = newsOf(waiting)
    if (news !== said || clock.monotonicUs() - saidAtUs >= PROGRESS_MS * 1000) {
      said = news
      saidAtUs = clock.monotonicUs()
      wait.write(`halligan: ${ascii(waitingLine(waiting, clock.now()))}`)
    }
    await new Promise<void>((resolve) => clock.after(POLL_MS, resolve))
  }
}

/** Whoever is locked, or wants what is, waits no longer: after the lock they connect anew. */
function mustBeOpen({ access }: ApprovalPorts, { identity, target }: ApprovalWait): void {
  const locked = access.lockOn(identity, target)
  if (locked !== undefined) throw locked
}

/** What of it is worth a line at once when it changes. */
function newsOf({ grant, asked, announcedAt, overrideInMs }: Waiting): string {
  return JSON.stringify([grant.approvals.length, asked, announcedAt === null, overrideInMs === 0])
}

function noGrant({ identity, target }: ApprovalWait): HalliganError {
  return new HalliganError('no_grant', `you have no live grant on ${target}`, {
    hint: `connect anew to break the glass: ssh ${identity.user.name}+${target}@BASTION`,
  })
}

function pending(waiting: Waiting, now: number): HalliganError {
  return new HalliganError('approval_pending', waitingLine(waiting, now), {
    hint: 'run the same command again once it is approved',
  })
}

function over(id: string, grant: Grant | undefined): HalliganError {
  return new HalliganError('denied', `grant ${id} was ${grant?.state === 'lapsed' ? 'not approved in time' : 'denied'}`)
}
