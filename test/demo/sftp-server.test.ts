import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { demoAccount, temporaryFolder } from '../../src/demo/account.ts'
import { sftpProgram, type SftpProgram } from '../../src/demo/sftp-program.ts'
import { packet, status, text, u32 } from '../../src/demo/sftp-wire.ts'

const account = demoAccount()
let folder: string
let program: SftpProgram
beforeAll(async () => {
  ;({ folder, filled: program } = await temporaryFolder('demo-sftp', account, (fresh) =>
    sftpProgram(fresh, account, 'own'),
  ))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const framed = (...parts: Buffer[]) => text(Buffer.concat(parts))
const request = (type: number, id: number, ...parts: Buffer[]) => framed(Buffer.from([type]), u32(id), ...parts)

interface Reply {
  readonly type: number
  readonly id: number
  readonly rest: Buffer
}

/** Sends the bytes, closes standard input, and gives the replies and the exit code. */
async function talk(bytes: Buffer): Promise<{ replies: Reply[]; code: number | null }> {
  const child: ChildProcess = spawn(program.program, program.args, { ...account.ids, cwd: folder, stdio: 'pipe' })
  const chunks: Buffer[] = []
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stderr?.resume()
  child.stdin?.on('error', () => child.stdin?.destroy())
  child.stdin?.end(bytes)
  const [code] = (await once(child, 'close')) as [number | null]
  let all = Buffer.concat(chunks)
  const replies: Reply[] = []
  while (all.length > 0) {
    const length = all.readUInt32BE()
    replies.push({ type: all[4] ?? 0, id: all.readUInt32BE(5), rest: all.subarray(9, 4 + length) })
    all = all.subarray(4 + length)
  }
  return { replies, code }
}

const noAttributes = u32(0)

test.each([
  { name: 'an unknown request', bytes: request(99, 7), want: status.UNSUPPORTED },
  { name: 'a handle nobody gave', bytes: request(packet.READ, 7, text('9'), Buffer.alloc(12)), want: status.FAILURE },
  { name: 'a string longer than its packet', bytes: request(packet.STAT, 7, u32(1000)), want: status.BAD_MESSAGE },
  { name: 'a path with NUL', bytes: request(packet.STAT, 7, text('a\0b')), want: status.BAD_MESSAGE },
  { name: 'a missing file', bytes: request(packet.STAT, 7, text('nope')), want: status.NO_SUCH_FILE },
  { name: 'an offset beyond 2^53', bytes: offsetBeyond(), want: status.FAILURE },
])('$name is answered with a status', async ({ bytes, want }) => {
  const { replies, code } = await talk(bytes)
  expect(replies.map(({ type, id, rest }) => [type, id, rest.readUInt32BE()]).at(-1)).toEqual([packet.STATUS, 7, want])
  expect(code).toBe(0)
})

function offsetBeyond(): Buffer {
  const open = request(packet.OPEN, 1, text('offset'), u32(0b1010), noAttributes)
  return Buffer.concat([open, request(packet.WRITE, 7, text('0'), Buffer.alloc(8, 0xff), text('x'))])
}

test.each([
  { name: 'a packet without length', bytes: u32(0) },
  { name: 'a packet over the limit', bytes: u32(256 * 1024 + 1) },
  { name: 'a request without id', bytes: framed(Buffer.from([packet.STAT])) },
])('$name ends the server', async ({ bytes }) => {
  expect(await talk(bytes)).toEqual({ replies: [], code: 1 })
})

test('a new name that exists is refused by rename and replaced by posix-rename', async () => {
  const make = (name: string) => request(packet.OPEN, 1, text(name), u32(0b1010), noAttributes)
  const { replies } = await talk(
    Buffer.concat([
      make('one'),
      make('two'),
      request(packet.RENAME, 3, text('one'), text('two')),
      request(packet.EXTENDED, 4, text('posix-rename@openssh.com'), text('one'), text('two')),
    ]),
  )
  expect(replies.slice(2).map(({ rest }) => rest.readUInt32BE())).toEqual([status.FAILURE, status.OK])
})

test('handles are bounded', async () => {
  const opens = Array.from({ length: 201 }, (_, n) => request(packet.OPENDIR, n, text('.')))
  const { replies } = await talk(Buffer.concat(opens))
  expect(replies.map(({ type }) => type)).toEqual([...Array.from({ length: 200 }, () => packet.HANDLE), packet.STATUS])
})

test('every framed request gets one answer, whatever is in it', async () => {
  // Requests that only look: random bytes must not make the test change the machine.
  const looking = [packet.READ, packet.LSTAT, packet.FSTAT, packet.STAT, packet.OPENDIR, packet.READDIR, packet.CLOSE]
  const one = fc.record({ type: fc.constantFrom(...looking, 0, 50, 255), body: fc.uint8Array({ maxLength: 60 }) })
  await fc.assert(
    fc.asyncProperty(fc.array(one, { minLength: 1, maxLength: 150 }), async (requests) => {
      const bytes = Buffer.concat(requests.map(({ type, body }, id) => request(type, id, Buffer.from(body))))
      const { replies, code } = await talk(bytes)
      expect(replies.map(({ id }) => id)).toEqual(requests.map((_, id) => id))
      expect(code).toBe(0)
    }),
    { numRuns: 15 },
  )
})
