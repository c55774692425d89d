import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { leafHash } from '../../src/ledger/merkle.ts'
import { Ballast } from '../../src/store/ballast.ts'
import { openDatabase } from '../../src/store/database.ts'
import { failureOf, isDiskFull } from '../../src/store/engine-error.ts'
import { LedgerTable } from '../../src/store/ledger-table.ts'
import { commitChange } from '../../src/store/transaction.ts'
import type { FullDiskReport } from './disk-filler.ts'
import { sqlitePlace, type SqlitePlace } from './place.ts'

let place: SqlitePlace
beforeEach(async () => {
  place = await sqlitePlace()
})
afterEach(() => place.remove())

test('a commit that finds no room changes nothing, and the next one with room goes through', () => {
  const engine = openDatabase(place.file, Buffer.alloc(32))
  const { ledger } = LedgerTable.open(engine, 0)
  const leaf = Buffer.alloc(3000, 'x')
  const change = (id: string) => ({
    writes: [{ kind: 'setting', name: 'last', value: id }] as const,
    leaves: Array.from({ length: 20 }, () => ({ leaf, hash: leafHash(leaf) })),
    alerts: [{ id, channel: 'hook', type: 't', at: 0, payload: '{}' }],
  })
  const before = commitChange(engine, ledger, change('a'))
  // The engine's own limit gives the error of a full disk everywhere; the test below fills a real one.
  engine.pragma(`max_page_count = ${Number(engine.pragma('page_count')) + 3}`)
  let failed: unknown
  try {
    commitChange(engine, ledger, change('b'))
  } catch (error) {
    failed = error
  }
  expect(isDiskFull(failed)).toBe(true)
  expect(failureOf(failed)).toMatchObject({ code: 'store_failed', isFinal: false })
  expect(ledger.head()).toEqual(before)
  engine.pragma('max_page_count = 100000')
  expect(commitChange(engine, ledger, change('b')).size).toBe(40)
  expect(LedgerTable.open(engine, 0).integrity).toBe('ok')
  engine.close()
})

test('the ballast is laid once, given back once, and not laid where it would take the room it should keep', () => {
  const ballast = new Ballast(place.file, 1 << 16)
  ballast.drop()
  ballast.lay()
  ballast.lay()
  expect(statSync(`${place.file}-ballast`).size).toBe(1 << 16)
  ballast.drop()
  expect(existsSync(`${place.file}-ballast`)).toBe(false)
  ballast.drop()
  new Ballast(place.file, Number.MAX_SAFE_INTEGER).lay()
  expect(existsSync(`${place.file}-ballast`)).toBe(false)
})

/** Whether this machine lets us mount a file system of our own in a user namespace. */
function canMount(): boolean {
  try {
    execFileSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

if (canMount())
  test('on a full file system commits fail one by one, nothing acknowledged is lost, and room heals it', () => {
    const mount = join(place.directory, 'small')
    mkdirSync(mount)
    writeFileSync(join(mount, 'not-mounted'), '')
    const script = `mount -t tmpfs -o size=1m tmpfs "$1" && exec "$2" "$3" "$1"`
    const output = execFileSync(
      'unshare',
      ['-rm', 'sh', '-c', script, 'sh', mount, process.execPath, join(import.meta.dirname, 'disk-filler.ts')],
      { encoding: 'utf8', timeout: 25_000, env: { ...process.env, HALLIGAN_LOG: 'silent' } },
    )
    const report = JSON.parse(output) as FullDiskReport
    expect(report.failure).toMatchObject({ code: 'store_failed', hint: expect.stringContaining('space') })
    expect(report.ballastLeft).toBe(false)
    expect(report.onBallast).toBeGreaterThan(0)
    expect(report.readable).toBe(true)
    expect(report.headWhenFull).toEqual(report.acknowledged)
    expect(report.reopenedFull).toEqual(report.acknowledged)
    expect(report.afterRoom.size).toBe(report.acknowledged.size + 1)
    expect(report.reopened).toEqual(report.afterRoom)
    expect(report.leaves).toBe(report.reopened.size)
    expect(report.integrity).toBe('ok')
  })
else process.stderr.write('left out: a full file system under the state (needs unshare -rm with mount)\n')
