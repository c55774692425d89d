// Policies and targets as a person may know them, and the policies asked: why, and who could get what. Only reads.

import { z } from 'zod'
import { parseInstant } from '../access/instant.ts'
import type { Explanation } from '../access/explain.ts'
import {
  explainAccess,
  mayAskAboutOthers,
  policiesFor,
  simulateAccess,
  type Simulation,
  targetsFor,
} from '../procedure/explanation.ts'
import { coversTarget } from '../access/scope.ts'
import type { PolicyList, TargetList } from './api.ts'
import { parse, type Call, type Caller, type House, type Route } from './route.ts'

const word = z.string().min(1).max(128)
const instant = z
  .string()
  .max(40)
  .transform((text, context) => {
    const at = parseInstant(text)
    if (at !== undefined) return at
    context.addIssue({ code: 'custom', message: 'write a time such as 2026-11-22T03:00, in UTC' })
    return z.NEVER
  })

const simulateSchema = z.strictObject({
  user: word.optional(),
  target: word.optional(),
  at: instant.optional(),
  from: word.optional(),
})

const explainSchema = simulateSchema.extend({
  target: word,
  account: word.optional(),
  policy: word.optional(),
  trigger: word.optional(),
})

async function policies(house: House, _call: Call, { identity }: Caller): Promise<PolicyList> {
  const { explanation, clock } = house.ports
  const { user } = identity
  const oversees = mayAskAboutOthers(user)
  return {
    now: clock.now(),
    mayAskAboutOthers: oversees,
    users: oversees ? explanation.directory.all().map(({ name }) => name) : [user.name],
    policies: policiesFor(explanation, user),
    // A mistake in the file may name what is none of everybody's business.
    configuration: oversees ? explanation.configuration : null,
  }
}

async function targets(house: House, _call: Call, { identity }: Caller): Promise<TargetList> {
  const { explanation, clock } = house.ports
  const readable = policiesFor(explanation, identity.user)
  return {
    now: clock.now(),
    // Where it is and how Halligan logs in there stays here.
    targets: targetsFor(explanation, identity.user).map((target) => ({
      name: target.name,
      kind: target.kind,
      labels: target.labels,
      accounts: target.accounts,
      databases: target.kind === 'postgres' ? target.databases : [],
      isCanary: target.canary === true,
      policies: readable.filter((policy) => coversTarget(policy, target)).map(({ name }) => name),
    })),
  }
}

function explanation(house: House, call: Call, { identity }: Caller): Promise<Explanation> {
  return explainAccess(house.ports.explanation, identity, parse(explainSchema, call.query))
}

async function simulation(house: House, call: Call, { identity }: Caller): Promise<Simulation> {
  return simulateAccess(house.ports.explanation, identity, parse(simulateSchema, call.query))
}

export const policyRoutes: readonly Route[] = [
  { kind: 'read', path: '/api/policies', access: 'signed-in', handle: policies },
  { kind: 'read', path: '/api/targets', access: 'signed-in', handle: targets },
  { kind: 'read', path: '/api/explain', access: 'signed-in', handle: explanation },
  { kind: 'read', path: '/api/simulate', access: 'signed-in', handle: simulation },
]
