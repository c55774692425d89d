import { expect, test } from 'vitest'
import { linked } from '../../src/procedure/link.ts'
import type { Alert } from '../../src/session/state.ts'

const alertOf = (payload: Record<string, unknown>): Alert => ({ id: 'a-1', channel: 'sec', type: 't', at: 0, payload })
const page = 'https://halligan.example'

const cases = [
  { name: 'about a grant', payload: { grant: 'g7f3' }, url: 'https://halligan.example/requests/g7f3' },
  { name: 'about no grant', payload: { user: 'alice' }, url: undefined },
  { name: 'with an address of its own', payload: { grant: 'g7f3', url: 'https://x/' }, url: 'https://x/' },
  {
    name: 'about something odd',
    payload: { grant: '../x?y#z' },
    url: 'https://halligan.example/requests/..%2Fx%3Fy%23z',
  },
]
for (const { name, payload, url } of cases) {
  test(`an alert ${name} links to ${url ?? 'nothing'}`, () => {
    expect(linked(alertOf(payload), page).payload['url']).toBe(url)
    expect(linked(alertOf(payload), null).payload['url']).toBe('url' in payload ? payload.url : undefined)
  })
}
