import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { linesOf, openIn, scratchDirectory, upTo } from './scratch.ts'

/** Runs the child until it has printed so many numbers, kills it with -9 and gives the numbers. */
async function appendAndKill(directory: string, from: number, after: number): Promise<number[]> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'appending-child.ts'), directory, String(from)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text
    if (printed.split('\n').length > after) child.kill('SIGKILL')
  })
  await once(child, 'close')
  return printed.split('\n').slice(0, -1).map(Number)
}

test('ten times kill -9 while appending: every confirmed line is there', { timeout: 120_000 }, async () => {
  const directory = scratchDirectory()
  let from = 0
  for (const round of upTo(10)) {
    const confirmed = await appendAndKill(directory, from, 40 + round * 37)
    const journal = await openIn(directory)
    expect(journal.recovery.damage).toEqual([])
    const lines = await linesOf(journal, 's')
    expect(lines.map(({ seq }) => seq)).toEqual(upTo(lines.length))
    expect(confirmed.length).toBeGreaterThan(0)
    expect(Math.max(...confirmed)).toBeLessThan(lines.length)
    for (const seq of confirmed) expect(lines[seq]?.line).toBe(`[0.000001,"o","line ${seq} ${'x'.repeat(seq % 700)}"]`)
    from = lines.length
    await journal.close()
  }
})
