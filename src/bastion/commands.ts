// What people may say over ssh, bound to this Halligan: each command acts as the person who speaks it.

import { personCommands } from '../cli/person.ts'
import type { Clock } from '../clock.ts'
import { errorCodes, safeError } from '../errors.ts'
import type { RunCommand } from '../procedure/command.ts'
import type { DrillContract } from '../procedure/drill.ts'
import type { Durable } from './durable.ts'
import { mustBeKnown, type Inside } from './inside.ts'
import { mustStayInDrill } from './rehearsals.ts'

/** The command tree people speak over ssh, bound to where its answers point. */
export function commandsFor(
  clock: Clock,
  durable: Durable,
  inside: Inside,
  places: {
    readonly postgres: { readonly host: string; readonly port: number }
    readonly issueLink: (user: string, address: string) => Promise<string>
    readonly drills: DrillContract
  },
): RunCommand {
  const { current, access, mfa, secrets, end } = inside
  const run = personCommands({
    clock,
    access,
    mfa,
    secrets,
    state: durable.state,
    end,
    vouch: inside.vouch,
    offers: inside.offers,
    waits: inside.waits,
    review: inside.review,
    explanation: inside.explanation,
    alerts: { clock, state: durable.state, nudge: () => durable.outbox.nudge() },
    reports: inside.reports,
    search: inside.search,
    drills: places.drills,
    issueLink: places.issueLink,
    postgres: places.postgres,
    postgresCaFile: durable.installation.postgres.caFile,
    sshHint: current.config.hostname,
  })
  return async (caller, argv, io) => {
    try {
      mustBeKnown(current, caller.identity)
      await mustStayInDrill(durable.state, caller.identity.user, argv)
    } catch (error) {
      const refused = safeError(error)
      io.stderr(`${refused.describe()}\n`)
      return errorCodes[refused.code].exit
    }
    return run(caller, argv, io)
  }
}
