// Alerts as the procedures write them, and texts that people write who want a channel to do their bidding.

import { systemClock } from '../../src/clock.ts'
import { selfSigned } from '../../src/pgwire/certificate.ts'
import type { Alert } from '../../src/session/state.ts'

export const noon: number = Date.UTC(2026, 10, 21, 12)
export const never: AbortSignal = new AbortController().signal

/** An activation under grant g7f3, five seconds before noon. */
export function alertOf(payload: Readonly<Record<string, unknown>> = {}, type = 'grant.activated'): Alert {
  return {
    id: 'a-5b2c',
    channel: 'desk',
    type,
    at: noon - 5000,
    payload: {
      grant: 'g7f3',
      user: 'alice',
      target: 'web-1',
      account: 'deploy',
      policy: 'production-host-emergency',
      trigger: 'customer-impact',
      reason: 'payments are stuck',
      incident: 'INC-42',
      expiresAt: '2026-11-21T12:30:00.000Z',
      address: '10.1.2.3',
      url: 'https://halligan.example.com/grants/g7f3',
      ...payload,
    },
  }
}

/** What a reason may hold. */
export const hostile: readonly { readonly name: string; readonly text: string }[] = [
  { name: 'lines', text: 'stuck\r\nuntil: 2099-01-01\nwho: bob\u2028more\u0085more' },
  { name: 'headers', text: 'x\r\nBcc: eve@evil.example\r\nSubject: all clear\r\n\r\nnothing happened\r\n.\r\nQUIT' },
  { name: 'mentions', text: '<!channel> <!here|all> <@U012AB3CD> <#C024BE7LR> @channel @everyone <at>Bob</at>' },
  {
    name: 'links',
    text: '<https://evil.example|approve> [approve](https://evil.example) https://evil.example www.evil.example',
  },
  {
    name: 'markdown',
    text: '# all clear\n**bold** _it_ `code` ~no~ > quote\n- item\n1. item\n***\n![x](https://evil.example/x.png)',
  },
  { name: 'html', text: '<script>alert(1)</script><img src=x onerror=alert(1)>&lt;b&gt;&amp;' },
  { name: 'cards', text: '{{DATE(2017-02-14T06:00:00Z, SHORT)}} ${payload.user} @{triggerBody()} :skull:' },
  { name: 'quotes', text: `"] [halligan@32473 user="bob"] \\" \\\\ ] '` },
  { name: 'directions', text: 'safe \u202egnp.exe\u2066 \u200f\u061c\u2069 \u200b\u2060\ufeff\u{e0041}' },
  { name: 'controls', text: '\u0000\u0007\u001b[2J\u009b31m\u007f\u0008\u0008\u0008' },
  { name: 'surrogates', text: 'half \ud83d and \udd25 half' },
  { name: 'stacked marks', text: `z${'\u0335\u0300'.repeat(500)}algo` },
  { name: '64 KiB', text: '🔥ü<'.repeat(7000) },
  { name: '64 KiB of what grows', text: '&'.repeat(65_000) },
]

/** Every text in every field, the ones that name people and places included, and as the name of a field. */
export function hostileAlert(text: string): Alert {
  const everywhere = Object.fromEntries(
    [
      'user',
      'target',
      'account',
      'policy',
      'trigger',
      'reason',
      'incident',
      'by',
      'address',
      'vouchedBy',
      'url',
      'name',
    ].map((key) => [key, text]),
  )
  return {
    ...alertOf(everywhere),
    payload: { ...everywhere, grant: 'g7f3', [text]: text, list: [text, { deep: text }] },
  }
}

/** A certificate for this machine and the CA that signed it, PEM. */
export function certificate(altNames: readonly string[] = ['127.0.0.1', 'localhost']): {
  readonly ca: string
  readonly cert: string
  readonly key: string
} {
  return selfSigned({ commonName: 'receiver', altNames, now: systemClock().now(), validDays: 2 })
}
