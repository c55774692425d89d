// Halligan's own connections to targets (design P4): for a closed list of operations, each a leaf of the ledger before it
// begins and with its outcome, never joined to a client's stream.

import type { Clock } from '../clock.ts'
import { assert, safeError } from '../errors.ts'
import type { Target } from '../target.ts'
import type { State } from './state.ts'

/** All there are. `terminate-backends`: ends what sessions of an ended grant have left at work on a PostgreSQL server. */
export type MaintenanceOperation = 'terminate-backends'

/** What a ledger leaf keeps of an outcome. */
const MAX_RESULT = 300

interface Minted {
  readonly operation: MaintenanceOperation
  readonly target: Target
  readonly account: string
}

/** Known to this file alone: without it the constructor refuses, whatever the compiler was told. */
const MINT = Symbol('mint')

let mint: (minted: Minted) => Maintenance

/** What a maintenance dialer takes, and nothing else. It cannot be built outside this file. */
export class Maintenance {
  readonly operation: MaintenanceOperation
  readonly target: Target
  readonly account: string
  readonly #isMinted = true

  private constructor({ operation, target, account }: Minted, key: symbol) {
    assert(key === MINT, 'a maintenance token is minted by maintain')
    this.operation = operation
    this.target = target
    this.account = account
  }

  static {
    mint = (minted: Minted): Maintenance => new Maintenance(minted, MINT)
  }

  /** Throws for anything that only looks like one, or was minted for something else. */
  static assertMinted(maintenance: Maintenance, operation: MaintenanceOperation): void {
    assert(
      #isMinted in maintenance && maintenance.#isMinted && maintenance.operation === operation,
      `a maintenance token for ${operation} was minted`,
    )
  }
}

export interface MaintenancePorts {
  readonly clock: Clock
  readonly state: Pick<State, 'commit'>
}

/**
 * Runs one operation under a token: its leaf is durable before `run` may dial, and another says how it went. `run` gives
 * what was done, in words. Throws what it throws, and `store_failed`.
 */
export async function maintain(
  ports: MaintenancePorts,
  minted: Minted,
  run: (maintenance: Maintenance) => Promise<string>,
): Promise<string> {
  await write(ports, minted, 'begun')
  let result: string
  try {
    result = await run(mint(minted))
  } catch (error) {
    await write(ports, minted, `failed: ${safeError(error).message}`)
    throw error
  }
  await write(ports, minted, result)
  return result
}

async function write({ clock, state }: MaintenancePorts, minted: Minted, result: string): Promise<void> {
  const { operation, account, target } = minted
  await state.commit({
    at: clock.now(),
    writes: [],
    leaves: [
      {
        type: 'maintenance',
        operation: `${operation} of ${account}`,
        target: target.name,
        result: result.slice(0, MAX_RESULT),
      },
    ],
  })
}
