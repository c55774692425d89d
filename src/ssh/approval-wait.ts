// Waiting for an approval on the channel: progress for a person at a terminal, an answer at once for a script.
import type { Grant } from '../access/grant.ts'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import type { Identity } from '../identity/user.ts'
import type { AccessContract } from '../procedure/contract.ts'

/** How often the grant is looked at. */
const POLL_MS = 1_000
/** A request lapses by itself after this; nobody waits longer. */
const LONGEST_WAIT_MS = 15 * 60_000
/** A sign of life. */
const PROGRESS_MS = 60_000

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
}

/** Gives the grant once it is live. Throws `no_grant` when none waits, `approval_pending` without a terminal or too late, `denied`. */
export async function awaitApproval(ports: ApprovalPorts, wait: ApprovalWait): Promise<Grant> {
  const requested = await ports.waitingGrant(wait.identity, wait.target, wait.account)
  if (requested === undefined) throw noGrant(wait)
  if (!wait.isTerminal) throw pending(requested)
  wait.write(`halligan: grant ${requested.id} waits for approval; Ctrl-C gives up waiting, the request stays`)
  return poll(ports, wait, requested.id)
}

async function poll({ clock, grant, access }: ApprovalPorts, wait: ApprovalWait, id: string): Promise<Grant> {
  const startUs = clock.monotonicUs()
  let said = 0
  for (;;) {
    const now = await grant(id)
    if (now?.state === 'active') return (await access.liveGrant(wait.identity, wait.target, wait.account)) ?? now
    if (now === undefined || now.state !== 'requested') throw over(id, now)
    const waitedMs = (clock.monotonicUs() - startUs) / 1000
    if (waitedMs > LONGEST_WAIT_MS || wait.gone.aborted) throw pending(now)
    if (Math.floor(waitedMs / PROGRESS_MS) > said) wait.write(`halligan: still waiting (${++said} min)`)
    await new Promise<void>((resolve) => clock.after(POLL_MS, resolve))
  }
}

function noGrant({ identity, target }: ApprovalWait): HalliganError {
  return new HalliganError('no_grant', `you have no live grant on ${target}`, {
    hint: `connect anew to break the glass: ssh ${identity.user.name}+${target}@BASTION`,
  })
}

function pending(grant: Grant): HalliganError {
  return new HalliganError('approval_pending', `grant ${grant.id} waits for approval`, {
    hint: 'run the same command again once it is approved',
  })
}

function over(id: string, grant: Grant | undefined): HalliganError {
  return new HalliganError('denied', `grant ${id} was ${grant?.state === 'lapsed' ? 'not approved in time' : 'denied'}`)
}
