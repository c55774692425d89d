// How much of an answer left: what a reviewer is said to have been shown is what was sent to them, and not what was asked.

import { Readable } from 'node:stream'

/** Of an answer that was cut off, this much may have been still in buffers of ours: it does not count as sent. */
const IN_FLIGHT_BYTES = 256 * 1024

/** What of node's ServerResponse says how an answer ended. */
interface Answer {
  /** True when all of it was handed to the system. */
  readonly writableFinished: boolean
  once(event: 'close', listener: () => void): unknown
}

/** Gives `source` as the answer's body, and `done` the bytes of it that left, once, when the answer is over. */
export function served(answer: Answer, source: AsyncIterable<Buffer>, done: (bytes: number) => void): Readable {
  let taken = 0
  let largest = 0
  const counted = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      taken += chunk.length
      largest = Math.max(largest, chunk.length)
      yield chunk
    }
  }
  answer.once('close', () => done(answer.writableFinished ? taken : Math.max(0, taken - IN_FLIGHT_BYTES - 2 * largest)))
  return Readable.from(counted(), { objectMode: false })
}
