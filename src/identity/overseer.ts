// The roles that look at what others did.

import type { Role } from './user.ts'

/** They see everybody's sessions and grants; everyone else sees their own. */
export const overseers: readonly Role[] = ['reviewer', 'admin', 'auditor']
