import { grantDefaults, type Grant } from '../../src/access/grant.ts'

/** An active grant of alice on web-1 for half an hour from `now`, changed by `over`. */
export function grantOf(now: number, over: Partial<Grant> = {}): Grant {
  return {
    id: 'g7f3',
    state: 'active',
    version: 1,
    user: 'alice',
    policy: 'web-emergency',
    policyHash: '0'.repeat(64),
    target: 'web-1',
    account: 'deploy',
    databases: [],
    trigger: 'customer-impact',
    reason: 'checkout is down',
    incident: null,
    rule: 'web-emergency/approval[0]',
    durationMs: 30 * 60_000,
    requestedAt: now,
    requestedFrom: '127.0.0.1',
    activatedAt: now,
    expiresAt: now + 30 * 60_000,
    endedAt: null,
    end: null,
    approvals: [],
    override: null,
    reviewDueAt: null,
    review: null,
    ...grantDefaults,
    ...over,
  }
}
