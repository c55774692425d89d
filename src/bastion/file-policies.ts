// The policies of a file, to be asked on the machine: as an auditor of that file, with nobody's past and no state.

import type { LocalPolicies } from '../cli/policy-commands.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { buildDirectory } from '../identity/directory.ts'

/** Ports over the file alone. Throws `config_invalid` when two users share a name or a key. */
export function policiesIn(config: Config, clock: Clock): LocalPolicies {
  const { users, policies, targets, sha256 } = config
  return {
    ports: {
      clock,
      state: { grants: async () => [], events: async () => [] },
      directory: buildDirectory(users),
      debts: { refresh: async () => {}, overdue: () => [] },
      policies,
      targets,
      configuration: { sha256, refused: null },
    },
    identity: {
      user: { name: 'local', groups: [], roles: ['auditor'], keys: [] },
      fingerprint: 'local',
      address: '127.0.0.1',
    },
  }
}
