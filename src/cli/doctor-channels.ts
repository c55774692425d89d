// Whether channels take a message: each gets one, marked as a test, and says what it says to any alert.

import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { attempt } from '../notify/attempt.ts'
import type { Channel } from '../notify/channel.ts'
import { fail, ok, warn, type Finding } from './doctor-finding.ts'

/** Sends a test message through each channel, all at once; nothing of it is kept. `hostname` is the bastion's. */
export async function channelFindings(
  channels: readonly Channel[],
  hostname: string,
  clock: Clock,
): Promise<readonly Finding[]> {
  const findings = await Promise.all(channels.map((channel) => channelFinding(channel, hostname, clock)))
  if (channels.length === 0 || channels.some(({ outside }) => outside)) return findings
  const hint = 'mark one that ends on another machine: `outside: true`'
  return [...findings, warn('channels', 'none is outside: an alert gate has nobody to wait for', hint)]
}

async function channelFinding(channel: Channel, hostname: string, clock: Clock): Promise<Finding> {
  const subject = `channel ${channel.name}`
  const outcome = await attempt(
    channel,
    {
      id: `test-${randomUUID()}`,
      channel: channel.name,
      type: 'halligan.test',
      at: clock.now(),
      payload: { sentBy: 'halligan doctor', bastion: hostname },
    },
    clock,
  )
  if (outcome.kind === 'failed') return fail(subject, outcome.error, 'alerts to it wait, and are given up after a week')
  if (/recipients refused/.test(outcome.receipt)) return warn(subject, outcome.receipt, 'mend the addresses')
  if (/nothing shows|acknowledges nothing/.test(outcome.receipt)) return warn(subject, outcome.receipt)
  return ok(subject, outcome.receipt)
}
