// One socket per tab that says what has changed. What a page shows hangs on a topic's version and is asked for again.

import { createSignal, type Accessor } from 'solid-js'
import type { FeedMessage, FeedTopic } from '../../src/http/api.ts'
import { socketUrl } from './api.ts'
import { learnTime } from './server-time.ts'

export type Topic = FeedTopic

/** Changes within this time are one: a burst of statements is not a burst of requests. */
const SETTLE_MS = 200

const RETRY_FROM_MS = 500
const RETRY_TO_MS = 10_000

const versions = {
  sessions: createSignal(0),
  grants: createSignal(0),
  alerts: createSignal(0),
  locks: createSignal(0),
  views: createSignal(0),
  drills: createSignal(0),
  revocations: createSignal(0),
} as const satisfies Record<Topic, ReturnType<typeof createSignal<number>>>

const [isConnected, setConnected] = createSignal(true)

/** Grows with each change of a topic. */
export function version(topic: Topic): Accessor<number> {
  return versions[topic][0]
}

/** False while the page hears nothing and may show what was. */
export const isFeedConnected: Accessor<boolean> = isConnected

const pending = new Set<Topic>()
let settling: ReturnType<typeof setTimeout> | undefined

function changed(topic: Topic): void {
  pending.add(topic)
  settling ??= setTimeout(() => {
    settling = undefined
    for (const each of pending) versions[each][1]((n) => n + 1)
    pending.clear()
  }, SETTLE_MS)
}

/** Keeps the socket open until the returned function is called. */
export function followFeed(): () => void {
  let socket: WebSocket | undefined
  let retry: ReturnType<typeof setTimeout> | undefined
  let attempts = 0
  let isFirst = true
  const connect = () => {
    socket = new WebSocket(socketUrl('/ws/events'))
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(String(data)) as FeedMessage
      if (message.type === 'changed') return changed(message.topic)
      learnTime(message.now)
      attempts = 0
      setConnected(true)
      // What happened while nobody listened is asked for.
      if (!isFirst) for (const topic of Object.keys(versions) as Topic[]) changed(topic)
      isFirst = false
    }
    socket.onclose = () => {
      setConnected(false)
      const most = Math.min(RETRY_TO_MS, RETRY_FROM_MS * 2 ** attempts++)
      retry = setTimeout(connect, most / 2 + (Math.random() * most) / 2)
    }
  }
  connect()
  return () => {
    clearTimeout(retry)
    if (socket === undefined) return
    socket.onclose = null
    socket.close()
  }
}
