// The lines of a running session, over a websocket that comes back where it was cut.

import { createSignal, onCleanup, type Accessor } from 'solid-js'
import type { SessionMessage } from '../../src/http/api.ts'
import { socketUrl } from './api.ts'
import type { Recorded } from './recorded.ts'

/** Lines that arrive within this time (ms) are shown together. */
const GATHER_MS = 80

const RETRY_MS = 1_500

/** The server's close code for a browser that fell behind: coming back helps. */
const SLOW = 4003

export type LiveState = 'loading' | 'live' | 'lost' | 'ended'

export interface LiveSession {
  readonly events: Accessor<readonly Recorded[]>
  readonly state: Accessor<LiveState>
}

/** Follows a session until its end, or until the page is left. */
export function followSession(id: string): LiveSession {
  const [events, setEvents] = createSignal<readonly Recorded[]>([])
  const [state, setState] = createSignal<LiveState>('loading')
  const all: Recorded[] = []
  let next = 0
  let gathering: ReturnType<typeof setTimeout> | undefined
  let retry: ReturnType<typeof setTimeout> | undefined
  let socket: WebSocket | undefined

  const gather = () => {
    gathering ??= setTimeout(() => {
      gathering = undefined
      setEvents([...all])
    }, GATHER_MS)
  }
  const connect = () => {
    socket = new WebSocket(socketUrl(`/ws/sessions/${id}/events?from=${next}`))
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(String(data)) as SessionMessage
      if (message.type === 'caught-up') {
        setState('live')
        return
      }
      if (message.seq < next) return
      next = message.seq + 1
      const { line } = message
      if (!Array.isArray(line)) return
      const [, code, body] = line as [number, string, unknown]
      all.push({ seq: message.seq, at: message.at, code, data: body })
      gather()
    }
    socket.onclose = ({ code }) => {
      if (code >= 4000 && code <= 4100 && code !== SLOW) {
        setState('ended')
        return
      }
      setState('lost')
      retry = setTimeout(connect, RETRY_MS)
    }
  }
  connect()
  onCleanup(() => {
    clearTimeout(retry)
    clearTimeout(gathering)
    if (socket === undefined) return
    socket.onclose = null
    socket.close()
  })
  return { events, state }
}
