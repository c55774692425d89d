// The places of a configuration that keep checkpoints, ready to publish, and what keeps them up to date.

import type { Clock } from '../clock.ts'
import type { Anchor as Configured, Config, EmailChannel } from '../config/config.ts'
import type { Secrets } from '../config/secrets.ts'
import { HalliganError } from '../errors.ts'
import type { Anchor } from '../ledger/anchor.ts'
import { openCheckpoint, signCheckpoint } from '../ledger/checkpoint.ts'
import { emailAnchor } from '../notify/anchor-email.ts'
import { webhookAnchor } from '../notify/anchor-webhook.ts'
import type { AnchorPlace } from '../procedure/anchor-record.ts'
import { Anchoring } from '../procedure/anchoring.ts'
import type { Current } from './current.ts'
import type { Durable } from './durable.ts'

/** All of them. Throws `config_invalid` where a secret is missing or cannot be used. */
export function anchorPlaces(config: Config, secrets: Secrets, clock: Clock): AnchorPlace[] {
  return config.anchors.map((anchor) => anchorPlaceOf(anchor, config, secrets, clock))
}

/** One of them. Throws `config_invalid` likewise. */
export function anchorPlaceOf(configured: Configured, config: Config, secrets: Secrets, clock: Clock): AnchorPlace {
  return {
    anchor: anchorOf(configured, config, secrets, clock),
    everyMs: configured.everyMs,
    promptly: configured.kind === 'email' ? 'activations' : 'sessions',
  }
}

function anchorOf(configured: Configured, config: Config, secrets: Secrets, clock: Clock): Anchor {
  const { name } = configured
  if (configured.kind === 'webhook') {
    const { outside, readBack, ca } = configured
    const url = typeof configured.url === 'string' ? configured.url : secrets.read(configured.url.secret).trim()
    const secret = secrets.read(configured.secret)
    return webhookAnchor({ name, outside, readBack, url, secret, clock, ca: ca ?? undefined })
  }
  const { host, port, security, from, to, login, ca, outside } = mailChannel(configured.channel, config)
  return emailAnchor({
    name,
    outside,
    host,
    port,
    security,
    from,
    to,
    login: login === null ? null : { user: login.user, password: secrets.read(login.secret) },
    ca: ca ?? undefined,
    hostname: config.hostname,
    clock,
  })
}

/** Not started yet: what is committed from now on is counted. */
export function anchoring(clock: Clock, current: Current, durable: Durable): Anchoring {
  const { state, journal, installation, outbox } = durable
  const { logSigner } = installation
  const made = new Anchoring({
    clock,
    state,
    journalHead: () => journal.head(),
    sign: ({ size, root }) => signCheckpoint({ size, root: Buffer.from(root, 'hex') }, logSigner),
    open: (checkpoint) => openCheckpoint(checkpoint, logSigner),
    channels: () => current.channels,
    nudge: () => outbox.nudge(),
  })
  durable.onCommit.add((leaves, head) => made.committed(leaves, head))
  return made
}

function mailChannel(name: string, config: Config): EmailChannel {
  const channel = config.channels.find((one) => one.name === name)
  if (channel?.kind === 'email') return channel
  throw new HalliganError('config_invalid', `there is no channel ${name} of kind email`)
}
