// The channels of a configuration, ready to deliver: at start, after a changed configuration, and for `doctor`.

import type { Clock } from '../clock.ts'
import type { Channel as Configured, ChannelUrl, Config } from '../config/config.ts'
import type { Secrets } from '../config/secrets.ts'
import type { Channel } from '../notify/channel.ts'
import { emailChannel } from '../notify/email.ts'
import { markedChannel } from '../notify/marked-channel.ts'
import { pagerDutyChannel } from '../notify/pagerduty.ts'
import { slackChannel } from '../notify/slack.ts'
import { syslogChannel } from '../notify/syslog.ts'
import { teamsChannel } from '../notify/teams.ts'
import { webhookChannel } from '../notify/webhook.ts'
import { configurationOf } from './channel-mark.ts'

/** All of them, in the order of the file. Throws `config_invalid` where a secret is missing or cannot be used. */
export function channelsOf(config: Config, secrets: Secrets, clock: Clock): Channel[] {
  return config.channels.map((channel) =>
    markedChannel(channelOf(channel, config.hostname, secrets, clock), configurationOf(channel, secrets)),
  )
}

/** One of them. Throws `config_invalid` likewise. */
export function channelOf(channel: Configured, hostname: string, secrets: Secrets, clock: Clock): Channel {
  const { name, outside } = channel
  const base = { name, outside, clock, hostname }
  const urlOf = (url: ChannelUrl) => (typeof url === 'string' ? url : secrets.read(url.secret).trim())
  switch (channel.kind) {
    case 'webhook': {
      const secret = secrets.read(channel.secret)
      return webhookChannel({ ...base, url: urlOf(channel.url), secret, ca: channel.ca ?? undefined })
    }
    case 'slack':
      return slackChannel({ ...base, url: urlOf(channel.url) })
    case 'teams':
      return teamsChannel({ ...base, url: urlOf(channel.url) })
    case 'pagerduty':
      return pagerDutyChannel({ ...base, routingKey: secrets.read(channel.secret).trim(), url: channel.url })
    case 'email': {
      const { host, port, security, from, to, login, ca } = channel
      const password = login === null ? null : { user: login.user, password: secrets.read(login.secret) }
      return emailChannel({ ...base, host, port, security, from, to, login: password, ca: ca ?? undefined })
    }
    case 'syslog': {
      const { host, port, transport, ca } = channel
      return syslogChannel({ ...base, host, port, transport, ca: ca ?? undefined })
    }
  }
}
