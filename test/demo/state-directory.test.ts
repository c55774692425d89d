import { chmodSync, chownSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { demoStateDirectory } from '../../src/demo/state-directory.ts'

/** Debian's `nobody`: root is held back by no mode. */
const NOBODY = 65_534

const folders: string[] = []
const home = process.cwd()

afterEach(() => {
  process.chdir(home)
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function folder(mode: number): string {
  const made = mkdtempSync(join(tmpdir(), 'halligan-demo-place-'))
  folders.push(made)
  chmodSync(made, mode)
  return made
}

/** What a demo started in `cwd` by someone who is not root takes, with `temporary` as the temporary directory. */
function chosen(cwd: string, temporary: string): string {
  const isRoot = process.getuid?.() === 0
  process.chdir(cwd)
  if (isRoot) process.seteuid?.(NOBODY)
  try {
    return demoStateDirectory(undefined, temporary)
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
}

test('a checkout of our own keeps the state', () => {
  const cwd = folder(0o777)
  expect(chosen(cwd, folder(0o777))).toBe(join(cwd, '.halligan', 'demo'))
})

test("in another user's checkout the state is a directory of our own, 0700, the same each time", () => {
  const [cwd, temporary] = [folder(0o555), folder(0o777)]
  const directory = chosen(cwd, temporary)
  expect(directory.startsWith(temporary)).toBe(true)
  expect(statSync(directory).mode & 0o777).toBe(0o700)
  expect(chosen(cwd, temporary)).toBe(directory)
})

test('a directory of that name that others can write is not taken', () => {
  const [cwd, temporary] = [folder(0o555), folder(0o777)]
  chmodSync(chosen(cwd, temporary), 0o777)
  expect(() => chosen(cwd, temporary)).toThrowError(expect.objectContaining({ code: 'unavailable' }))
})

test.runIf(process.getuid?.() === 0)("a directory of that name that is another user's is not taken", () => {
  const [cwd, temporary] = [folder(0o555), folder(0o777)]
  chownSync(chosen(cwd, temporary), 1234, 1234)
  expect(() => chosen(cwd, temporary)).toThrowError(expect.objectContaining({ code: 'unavailable' }))
})
