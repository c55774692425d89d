import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { holdStateDirectory } from '../../src/store/lock.ts'

let directory: string
beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'halligan-lock-')), 'state')
})
afterEach(() => rmSync(join(directory, '..'), { recursive: true, force: true }))

const holder = `
  import { holdStateDirectory } from ${JSON.stringify(join(import.meta.dirname, '../../src/store/lock.ts'))}
  holdStateDirectory(process.argv[1])
  console.log('held')
  setInterval(() => globalThis.gc?.(), 5)
`

async function startHolder(): Promise<{ readonly pid: number; kill(): Promise<void> }> {
  const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '--eval', holder, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  await once(child.stdout, 'data')
  return {
    pid: child.pid ?? 0,
    kill: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

test('a second start is refused and names the owner', async () => {
  const owner = await startHolder()
  try {
    expect(() => holdStateDirectory(directory)).toThrow(
      expect.objectContaining({
        code: 'state_locked',
        message: expect.stringContaining(`process ${owner.pid}`),
        hint: expect.stringContaining(`kill ${owner.pid}`),
      }),
    )
    // Asking did not take the lock away from its owner.
    expect(() => holdStateDirectory(directory)).toThrow(expect.objectContaining({ code: 'state_locked' }))
  } finally {
    await owner.kill()
  }
})

test('the lock goes with its process, however that ends', async () => {
  const owner = await startHolder()
  await owner.kill()
  const held = holdStateDirectory(directory)
  expect(readFileSync(join(directory, 'owner.pid'), 'utf8')).toBe(`${process.pid}\n`)
  held.release()
})

test('the same process cannot hold it twice, and can again after release', () => {
  const first = holdStateDirectory(directory)
  expect(() => holdStateDirectory(directory)).toThrow(
    expect.objectContaining({ code: 'state_locked', message: expect.stringContaining(`process ${process.pid}`) }),
  )
  first.release()
  first.release()
  const second = holdStateDirectory(directory)
  first.release()
  expect(() => holdStateDirectory(directory)).toThrow(expect.objectContaining({ code: 'state_locked' }))
  second.release()
  expect(existsSync(join(directory, 'owner.pid'))).toBe(false)
})

test('directory and files are for their owner alone, also where the directory was open before', () => {
  mkdirSync(directory)
  chmodSync(directory, 0o755)
  const held = holdStateDirectory(directory)
  expect(statSync(directory).mode & 0o777).toBe(0o700)
  for (const file of ['lock', 'owner.pid']) expect(statSync(join(directory, file)).mode & 0o777).toBe(0o600)
  held.release()
})

test('a directory shared by everybody is refused and left as it was', () => {
  mkdirSync(directory)
  chmodSync(directory, 0o1777)
  expect(() => holdStateDirectory(directory)).toThrow(expect.objectContaining({ code: 'store_failed' }))
  expect(statSync(directory).mode & 0o7777).toBe(0o1777)
})

test('a lock file that is something else is refused with a hint', () => {
  mkdirSync(directory, { mode: 0o700 })
  writeFileSync(join(directory, 'lock'), 'garbage'.repeat(1000))
  expect(() => holdStateDirectory(directory)).toThrow(
    expect.objectContaining({ code: 'store_failed', hint: expect.stringContaining('lock') }),
  )
})

test('a file where the directory should be is refused', () => {
  writeFileSync(directory, '')
  expect(() => holdStateDirectory(directory)).toThrow(expect.objectContaining({ code: 'store_failed' }))
})

test.runIf(process.geteuid?.() === 0)('a directory that somebody else made and owns is not used, nor changed', () => {
  const directory = mkdtempSync(join(tmpdir(), 'halligan-foreign-'))
  try {
    chownSync(directory, 65_534, 65_534)
    chmodSync(directory, 0o755)
    expect(() => holdStateDirectory(directory)).toThrowError(expect.objectContaining({ code: 'store_failed' }))
    expect(statSync(directory).mode & 0o777).toBe(0o755)
    expect(readdirSync(directory)).toEqual([])
  } finally {
    rmSync(directory, { recursive: true })
  }
})
