// Reads a websocket in order, without sleeping.

import type { WebSocket } from 'ws'

export interface SocketReader {
  /** The next message; rejects when the socket closes first. */
  next(): Promise<Buffer>
  /** Code and reason once closed; an HTTP refusal of the upgrade gives its status as code. */
  readonly closed: Promise<{ code: number; reason: string }>
}

export function readSocket(socket: WebSocket): SocketReader {
  const messages: Buffer[] = []
  const waiting: { resolve: (message: Buffer) => void; reject: (error: Error) => void }[] = []
  let isClosed = false
  socket.on('message', (data: Buffer) => {
    const waiter = waiting.shift()
    if (waiter === undefined) messages.push(data)
    else waiter.resolve(data)
  })
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    const finish = (code: number, reason: string) => {
      isClosed = true
      for (const { reject } of waiting.splice(0)) reject(new Error(`closed ${code} ${reason}`))
      resolve({ code, reason })
    }
    socket.on('unexpected-response', (request, response) => {
      response.resume()
      finish(response.statusCode ?? 0, response.statusMessage ?? '')
      request.destroy()
    })
    socket.on('close', (code, reason) => finish(code, reason.toString()))
    socket.on('error', () => {})
  })
  return {
    closed,
    next: () => {
      const message = messages.shift()
      if (message !== undefined) return Promise.resolve(message)
      if (isClosed) return Promise.reject(new Error('closed'))
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }))
    },
  }
}
