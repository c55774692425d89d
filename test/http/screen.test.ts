import { expect, test } from 'vitest'
import { Screen, type Snapshot } from '../../src/http/screen.ts'

const draw = async (text: string): Promise<Snapshot> => {
  const screen = new Screen()
  await screen.apply({ seq: 0, atUs: 0, what: { kind: 'output', bytes: Buffer.from(text) } })
  const snapshot = await new Promise<Snapshot>((resolve) => screen.snapshot(resolve))
  screen.dispose()
  return snapshot
}

// The emulator counts each of these down one by one: a session could hold the process for minutes with a dozen bytes.
test.for([
  { name: 'repeat a character', text: 'a\x1b[2000000000b' },
  { name: 'scroll up', text: '\x1b[2000000000S' },
  { name: 'scroll down', text: '\x1b[2000000000T' },
  { name: 'insert lines', text: '\x1b[2000000000L' },
  { name: 'delete lines', text: '\x1b[2000000000M' },
  { name: 'tab forward', text: '\x1b[2000000000I' },
  { name: 'tab back', text: '\x1b[2000000000Z' },
])('a hostile session asks a watched terminal to $name two thousand million times', async ({ text }) => {
  const startMs = performance.now()
  const { init } = await draw(`before ${text} after`)
  expect(performance.now() - startMs).toBeLessThan(2_000)
  expect(init).toContain('after')
})

test('a flood of screens full of scrolling gives way to everything else', async () => {
  const screen = new Screen()
  let longestMs = 0
  let lastMs = performance.now()
  const timer = setInterval(() => {
    longestMs = Math.max(longestMs, performance.now() - lastMs)
    lastMs = performance.now()
  }, 1)
  await screen.apply({ seq: 0, atUs: 0, what: { kind: 'resize', cols: 1000, rows: 500 } })
  await screen.apply({ seq: 1, atUs: 0, what: { kind: 'output', bytes: Buffer.from('\x1b[500S'.repeat(500)) } })
  await new Promise<Snapshot>((resolve) => screen.snapshot(resolve))
  clearInterval(timer)
  screen.dispose()
  expect(longestMs).toBeLessThan(1_000)
})

test('what real programs count is drawn', async () => {
  const { init } = await draw('one\r\ntwo\r\nthree\x1b[2;1H\x1b[1Mx\x1b[9b\x1b[1;1H\x1b[1L\ttab')
  expect(init).toContain('xxxxxxxxxx')
  expect(init).not.toContain('two')
})
