import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { expectSoundLedger, noon } from './contract.ts'
import { sqlitePlace, type SqlitePlace } from './place.ts'

let place: SqlitePlace
beforeEach(async () => {
  place = await sqlitePlace()
})
afterEach(() => place.remove())

const rounds = 6

/** Runs a committing process, kills it after `kill` acknowledgements and gives the last one it made. */
async function commitUntilKilled(first: number, kill: number): Promise<number> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'committer.ts'), place.file, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  let acknowledged = first - 1
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged = Number(line)
      if (acknowledged >= first + kill) child.kill('SIGKILL')
    }
  } finally {
    child.kill('SIGKILL')
    await exited
  }
  expect(acknowledged).toBeGreaterThanOrEqual(first + kill)
  return acknowledged
}

test('kill -9 in mid-commit loses nothing that was acknowledged and halves nothing', async () => {
  let next = 0
  for (let round = 0; round < rounds; round += 1) {
    // Also past the first checkpoint of the log, which comes after 256 commits.
    const acknowledged = await commitUntilKilled(next, 7 + round * 83)
    const state = await place.open()
    expect(state.integrity).toBe('ok')
    const { size } = await state.ledgerHead()
    // At most the one in flight was committed and not acknowledged.
    expect(size - 1 === acknowledged || size - 2 === acknowledged).toBe(true)
    await expectSoundLedger(state)
    const grants = await state.grants({})
    expect(grants.map(({ id }) => id)).toEqual(Array.from({ length: size }, (_, n) => `g${size - 1 - n}`))
    expect((await state.alerts({ limit: size + 10 })).map(({ id }) => id)).toEqual(
      Array.from({ length: size }, (_, n) => `a${size - 1 - n}`),
    )
    expect(await state.outboxDue(noon, 1)).toMatchObject([{ id: 'a0' }])
    next = size
    await state.close()
  }
})
