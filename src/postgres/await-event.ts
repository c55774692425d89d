// Waits for one event of a stream that may end instead: events.once alone would wait for ever after a plain close.

import type { Duplex } from 'node:stream'
import { HalliganError } from '../errors.ts'

/** Resolves at `event`; rejects with the stream's error, or `unreachable` when it closes first. */
export function awaitEvent(stream: Duplex, event: 'connect' | 'secure' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    if (stream.destroyed) return reject(new HalliganError('unreachable', 'the connection was closed'))
    const settle = (error?: Error) => {
      stream.off(event, onEvent).off('error', settle).off('close', onClose)
      if (error === undefined) resolve()
      else reject(error)
    }
    const onEvent = () => settle()
    const onClose = () => settle(new HalliganError('unreachable', 'the connection was closed'))
    stream.on(event, onEvent).on('error', settle).on('close', onClose)
  })
}
