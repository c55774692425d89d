// Every route there is. What is not in this table does not exist; a test walks it by role.

import { alertRoutes } from './alert-routes.ts'
import { drillRoutes } from './drill-routes.ts'
import { grantRoutes } from './grant-routes.ts'
import { lockRoutes } from './lock-routes.ts'
import { policyRoutes } from './policy-routes.ts'
import { requestRoutes } from './request-routes.ts'
import type { Route } from './route.ts'
import { reportRoutes } from './report-routes.ts'
import { reviewRoutes } from './review-routes.ts'
import { searchRoutes } from './search-routes.ts'
import { sessionRoutes } from './session-routes.ts'
import { signInRoutes } from './sign-in.ts'
import { socketRoutes } from './socket-routes.ts'

export const routes: readonly Route[] = [
  ...signInRoutes,
  ...sessionRoutes,
  ...searchRoutes,
  ...grantRoutes,
  ...alertRoutes,
  ...lockRoutes,
  ...requestRoutes,
  ...policyRoutes,
  ...reviewRoutes,
  ...reportRoutes,
  ...drillRoutes,
  ...socketRoutes,
]
