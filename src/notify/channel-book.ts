// Which channel an alert goes to: the one of that name that was in force when the alert was addressed. A changed
// configuration must not redirect what was on its way, nor leave it with a receiver that is gone.

import type { Alert } from '../session/state.ts'
import type { Channel } from './channel.ts'

/** Configurations are changed a few times a day; what is older than this many changes goes by name. */
const mostEarlier = 16

interface Earlier {
  readonly channels: ReadonlyMap<string, Channel>
  /** Wall clock (ms) of the moment it was replaced. */
  readonly until: number
}

export class ChannelBook {
  #present: ReadonlyMap<string, Channel>
  /** Oldest first. */
  #earlier: readonly Earlier[] = []

  constructor(channels: readonly Channel[]) {
    this.#present = byName(channels)
  }

  /** Alerts of `now` (ms) and before stay with the channels there were; later ones go to `channels`. */
  replace(channels: readonly Channel[], now: number): void {
    this.#earlier = [...this.#earlier, { channels: this.#present, until: now }].slice(-mostEarlier)
    this.#present = byName(channels)
  }

  /** The channel of that name as it is configured now. */
  present(name: string): Channel | undefined {
    return this.#present.get(name)
  }

  /** Lets go of channels that were replaced before `before` (ms): nothing is on its way to them any more. */
  forget(before: number): void {
    this.#earlier = this.#earlier.filter(({ until }) => until >= before)
  }

  /**
   * The channel for this attempt; undefined when none of that name was or is configured. Where the old one does not take
   * it, every second attempt goes to the present one of the same name: a mended URL helps alerts that wait. What tells of
   * the change itself is for the old one alone.
   */
  channelFor(alert: Alert, attempts: number): Channel | undefined {
    const then = this.#earlier.find(({ until }) => alert.at <= until)?.channels.get(alert.channel)
    const present = this.#present.get(alert.channel)
    if (then === undefined) return present
    const isAnnouncement = alert.type.startsWith('configuration.')
    return present === undefined || isAnnouncement || attempts % 2 === 0 ? then : present
  }
}

function byName(channels: readonly Channel[]): ReadonlyMap<string, Channel> {
  return new Map(channels.map((channel) => [channel.name, channel]))
}
