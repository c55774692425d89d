// A channel that knows how it is configured. An alert that was written for another configuration is still delivered, and
// its receipt says so: the alert gate does not count it (procedure/announcement.ts).

import { isSameChannel, RECONFIGURED } from '../procedure/announcement.ts'
import type { Alert } from '../session/state.ts'
import type { Channel } from './channel.ts'

/** The channel under the mark of its configuration. Receivers never see an alert's mark. */
export function markedChannel(channel: Channel, configuration: string): Channel {
  const { name, outside } = channel
  return {
    name,
    outside,
    configuration,
    deliver: async (alert, signal) => {
      const { receipt } = await channel.deliver(withoutMark(alert), signal)
      return { receipt: isSameChannel(alert, { outside, configuration }) ? receipt : `${RECONFIGURED}${receipt}` }
    },
  }
}

function withoutMark(alert: Alert): Alert {
  const { via, ...payload } = alert.payload
  return via === undefined ? alert : { ...alert, payload }
}
