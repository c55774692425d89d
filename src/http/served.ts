// How much of an answer left: what a reviewer is said to have been shown is what was sent to them, and not what was asked.

import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'

/** Of an answer that was cut off, this much may have been still in buffers of ours: it does not count as sent. */
const IN_FLIGHT_BYTES = 256 * 1024

/** Gives `source` as the answer's body, and `done` the bytes of it that left, once, when the answer is over. */
export function served(reply: FastifyReply, source: AsyncIterable<Buffer>, done: (bytes: number) => void): Readable {
  let taken = 0
  let largest = 0
  const counted = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      taken += chunk.length
      largest = Math.max(largest, chunk.length)
      yield chunk
    }
  }
  const { raw } = reply
  raw.once('close', () => done(raw.writableFinished ? taken : Math.max(0, taken - IN_FLIGHT_BYTES - 2 * largest)))
  return Readable.from(counted(), { objectMode: false })
}
