// Who is asking: our own page, or somebody else's through this browser. Cookies alone cannot tell.

import type { IncomingHttpHeaders } from 'node:http'
import { HalliganError } from '../errors.ts'

/** Origins under which the page is reached, such as `http://localhost:8080`; and the Host values that go with them. */
export class Origins {
  readonly #origins: ReadonlySet<string>
  readonly #hosts: ReadonlySet<string>

  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins.map((origin) => new URL(origin).origin))
    this.#hosts = new Set(origins.map((origin) => new URL(origin).host))
  }

  /** Refuses a request meant for another name: a foreign site whose name was pointed here (DNS rebinding). */
  checkHost(headers: IncomingHttpHeaders): void {
    if (headers.host === undefined || !this.#hosts.has(headers.host))
      throw new HalliganError('usage', 'this server does not answer under that name', {
        hint: 'use the address that Halligan printed, or add it to web.origins',
      })
  }

  /** Refuses what another site's page asks through this browser: any act, any websocket, any read of the interface. */
  checkCaller(headers: IncomingHttpHeaders, kind: 'read' | 'act' | 'socket'): void {
    const site = headers['sec-fetch-site']
    // Fetch Metadata: `none` is a person's own navigation, such as a download opened from the address bar.
    const siteOk = site === undefined || site === 'same-origin' || (kind === 'read' && site === 'none')
    const originOk = headers.origin === undefined ? kind === 'read' : this.#origins.has(headers.origin)
    if (!siteOk || !originOk)
      throw new HalliganError('denied', 'this request does not come from Halligan’s own page', {
        hint: 'open the page itself and try there',
      })
  }
}
