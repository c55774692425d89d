import { execFile } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, expect, test } from 'vitest'

const source = resolve(import.meta.dirname, '../../src/demo/state-directory.ts')
const folders: string[] = []

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function folder(mode: number): string {
  const made = mkdtempSync(join(tmpdir(), 'halligan-demo-place-'))
  folders.push(made)
  chmodSync(made, mode)
  return made
}

/** What a demo started in `cwd` by someone who is not root would take, with `temporary` as the system's temporary directory. */
async function chosen(cwd: string, temporary: string): Promise<string> {
  const code = `const { demoStateDirectory } = await import(${JSON.stringify(source)}); console.log(demoStateDirectory(undefined))`
  const ids = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
  const env = { PATH: process.env['PATH'] ?? '', TMPDIR: temporary }
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], {
    cwd,
    env,
    ...ids,
  })
  return stdout.trim()
}

test('a checkout of our own keeps the state', async () => {
  const cwd = folder(0o777)
  expect(await chosen(cwd, folder(0o777))).toBe(join(cwd, '.halligan', 'demo'))
})

test("in another user's checkout the state is a directory of our own, 0700, the same each time", async () => {
  const [cwd, temporary] = [folder(0o555), folder(0o777)]
  const directory = await chosen(cwd, temporary)
  expect(directory.startsWith(temporary)).toBe(true)
  expect(statSync(directory).mode & 0o777).toBe(0o700)
  expect(await chosen(cwd, temporary)).toBe(directory)
})

test('a directory of that name that others can write is not taken', async () => {
  const [cwd, temporary] = [folder(0o555), folder(0o777)]
  chmodSync(await chosen(cwd, temporary), 0o777)
  await expect(chosen(cwd, temporary)).rejects.toThrow('is not ours alone')
})
