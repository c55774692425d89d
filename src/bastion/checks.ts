// The configured checks, ready to be asked. Built when they are asked, so that a changed configuration or secret counts
// from its first moment on.

import type { Clock } from '../clock.ts'
import type { CheckConfig } from '../config/config.ts'
import type { Secrets } from '../config/secrets.ts'
import { httpJsonCheck } from '../incident/http-json.ts'
import { pagerDutyCheck } from '../incident/pagerduty.ts'
import type { Check } from '../procedure/check.ts'
import type { Current } from './current.ts'

/** The check of that name as it is configured now; undefined when there is none. */
export function checkOf({ config, secrets }: Current, clock: Clock, name: string): Check | undefined {
  const written = config.checks.find((check) => check.name === name)
  return written === undefined ? undefined : built(written, secrets, clock)
}

function built(check: CheckConfig, secrets: Secrets, clock: Clock): Check {
  const { name, timeoutMs } = check
  switch (check.kind) {
    case 'http-json': {
      const { url, path, expect } = check
      const headers = () =>
        Object.fromEntries(
          Object.entries(check.headers).map(([header, secret]) => [header, secrets.read(secret).trim()]),
        )
      return httpJsonCheck({ name, url, path, expect, headers, timeoutMs, clock })
    }
    case 'pagerduty': {
      const { asks, email } = check
      const apiKey = () => secrets.read(check.secret).trim()
      return pagerDutyCheck({ name, origin: check.url, asks, email, apiKey, timeoutMs, clock })
    }
  }
}
