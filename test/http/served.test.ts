import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { served } from '../../src/http/served.ts'

const KIB = 1024

async function* pieces(...sizes: number[]): AsyncGenerator<Buffer> {
  for (const size of sizes) yield Buffer.alloc(size)
}

/** An answer that is over when a test says so, whole or cut off. */
class Answer extends EventEmitter {
  writableFinished = false
  end(isWhole: boolean): void {
    this.writableFinished = isWhole
    this.emit('close')
  }
}

const ends: readonly { name: string; sizes: readonly number[]; isWhole: boolean; want: number }[] = [
  { name: 'a whole answer counts whole', sizes: [64 * KIB, 10], isWhole: true, want: 64 * KIB + 10 },
  { name: 'a small one that was cut off may have left nothing', sizes: [64 * KIB, 10], isWhole: false, want: 0 },
  {
    name: 'of a large one what may have been in buffers is taken off',
    sizes: Array.from({ length: 20 }, () => 64 * KIB),
    isWhole: false,
    want: (20 * 64 - 256 - 2 * 64) * KIB,
  },
  { name: 'an empty answer is nothing', sizes: [], isWhole: true, want: 0 },
]
for (const { name, sizes, isWhole, want } of ends)
  test(name, async () => {
    const answer = new Answer()
    const counted: number[] = []
    for await (const _ of served(answer, pieces(...sizes), (bytes) => counted.push(bytes))) continue
    expect(counted).toEqual([])
    answer.end(isWhole)
    answer.emit('close')
    expect(counted).toEqual([want])
  })

test('of what a real client hung up on no more counts than went over the wire', async () => {
  const counted = Promise.withResolvers<number>()
  const server = createServer((_request, response) => {
    served(response, pieces(...Array.from({ length: 400 }, () => 64 * KIB)), counted.resolve).pipe(response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  let received = 0
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length
    if (received > 512 * KIB) socket.destroy()
  })
  socket.on('error', () => undefined)
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  const bytes = await counted.promise
  expect(bytes).toBeLessThan(400 * 64 * KIB)
  server.closeAllConnections()
  server.close()
})
