// What makes a channel the same one after a change of the configuration: everything that decides where its alerts go.

import { createHmac } from 'node:crypto'
import type { Channel } from '../config/config.ts'
import { channelSecrets, type Secrets } from '../config/secrets.ts'

/** Enough that no two configurations share it; it is kept with every alert. */
const MARK_LENGTH = 24

/**
 * The mark of a channel's configuration, with the secrets it uses: under the installation's key, so that it says nothing
 * about them. Throws `config_invalid` where a secret is missing.
 */
export function configurationOf(channel: Channel, secrets: Secrets): string {
  const hmac = createHmac('sha256', secrets.encryptionKey())
  hmac.update(`halligan/channel/1\0${JSON.stringify(channel, sorted)}`)
  for (const name of channelSecrets(channel)) hmac.update(`\0${secrets.read(name)}`)
  return hmac.digest('hex').slice(0, MARK_LENGTH)
}

/** The order of keys in a file decides nothing. */
function sorted(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)))
}
