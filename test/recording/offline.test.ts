// A stranger's verification: a folder with a Node binary, verify.mjs, a recording, its proof and the key that was pinned;
// no packages, no environment and no network, not even this machine's own.
import { spawn, spawnSync } from 'node:child_process'
import { constants, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

/** As anybody where the system lets users have namespaces, or as root. */
const way = [['-r', '-n'], ['-n']].find((flags) => spawnSync('unshare', [...flags, 'true']).status === 0)
if (way === undefined) console.warn('left out: verifying without a network (needs unshare and leave to use it)')

const vectors = resolve(import.meta.dirname, '../vectors')
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'halligan-offline-'))
  if (way === undefined) return
  copyFileSync(process.execPath, join(folder, 'node'), constants.COPYFILE_FICLONE)
  copyFileSync(resolve(import.meta.dirname, '../../docs/verify.mjs'), join(folder, 'verify.mjs'))
  for (const name of ['session.cast.zst', 'session.proof', 'one.event.json', 'halligan.pub', 'other.pub'])
    copyFileSync(join(vectors, name), join(folder, name))
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The folder's own Node, in the folder, without a network. */
async function alone(...args: string[]): Promise<{ status: unknown; said: string }> {
  const child = spawn('unshare', [...(way ?? []), join(folder, 'node'), ...args], {
    cwd: folder,
    env: {},
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 20_000,
    killSignal: 'SIGKILL',
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const [status] = (await once(child, 'close')) as [unknown]
  return { status, said }
}

test.runIf(way !== undefined)('where it is verified nothing can be reached', async () => {
  const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const reach = `require('node:net').connect(${port}, '127.0.0.1').on('error', (e) => console.log(e.code)).on('connect', () => console.log('reached'))`
  const { said } = await alone('-e', reach)
  server.close()
  expect(said.trim()).toMatch(/^E[A-Z]+$/)
})

test.runIf(way !== undefined)(
  'a recording and a disclosed event are proven with a copy of Node, verify.mjs, the proof and the pinned key alone',
  async () => {
    const recording = await alone('verify.mjs', 'session.cast.zst', 'halligan.pub')
    expect(recording, recording.said).toMatchObject({ status: 0 })
    expect(recording.said).toMatch(/^proven: session /)
    expect(await alone('verify.mjs', 'one.event.json', 'halligan.pub')).toMatchObject({ status: 0 })
    expect(await alone('verify.mjs', 'session.cast.zst')).toMatchObject({ status: 2 })
    expect(await alone('verify.mjs', 'session.cast.zst', 'other.pub')).toMatchObject({ status: 1 })
  },
)

test.runIf(way !== undefined)('one byte less, and it is found there too', async () => {
  const file = join(folder, 'session.cast.zst')
  const whole = readFileSync(file)
  writeFileSync(file, whole.subarray(0, -1))
  expect(await alone('verify.mjs', 'session.cast.zst', 'halligan.pub')).toMatchObject({ status: 1 })
  writeFileSync(file, whole)
})
