import { afterAll, beforeAll, expect, test } from 'vitest'
import { World } from './world.ts'

let world: World

beforeAll(async () => {
  world = await World.start()
})

afterAll(async () => {
  await world?.close()
})

test('breaking the glass gives a recorded shell, and the second time nothing is asked', async () => {
  const shell = await world.breakGlass('web-1')
  await shell.expect(/ends \d\d:\d\d UTC \(\d+ min\)/)
  shell.type('echo glass-$((40+2))\r')
  await shell.expect('glass-42')
  shell.type('exit 3\r')
  expect(await shell.exited).toBe(3)
  const again = await world.exec(['web-1', 'echo out; echo err >&2; exit 5'])
  expect(again).toMatchObject({ status: 5, stderr: 'err\n' })
  expect(again.stdout.toString()).toBe('out\n')
})
