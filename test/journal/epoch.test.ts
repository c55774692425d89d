import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { rawPublicKey, privateKeyFromSeed } from '../../src/ledger/ed25519.ts'
import { EpochChain, parseEpoch } from '../../src/ledger/epoch.ts'
import { genesisHead, leafHash, nextHead, readFrame } from '../../src/recording/frame.ts'
import { entryOf, openIn, scratchDirectory, upTo } from './scratch.ts'
import { type Call, systemError, watchedFiles } from './watched-files.ts'

const ledger = (size: number) => ({ size, root: size.toString(16).padStart(64, '0') })
const keyFile = (directory: string) => join(directory, 'keys', 'epoch.key')

/** Recomputes the chain of the only segment, as a verifier with the genesis key does; gives the records and the head. */
function verify(directory: string, genesisPublicKey: string) {
  const bytes = readFileSync(join(directory, 'journal', '00000001.seg'))
  const epochs = new EpochChain(Buffer.from(genesisPublicKey, 'hex'))
  let [head, seq, offset] = [genesisHead, 0, 0]
  const records = []
  for (;;) {
    const read = readFrame(bytes, offset)
    if (read.kind !== 'frame') return { records, head: head.toString('hex'), seq, next: epochs.publicKey }
    const record = read.header.type === 'epoch' ? parseEpoch(read.line) : undefined
    if (record !== undefined) {
      expect(epochs.accept(record)).toBeUndefined()
      expect(record).toMatchObject({ journalSeq: seq, journalHead: head })
      records.push(record)
    }
    head = nextHead(head, read.headerBytes, leafHash(read.line))
    seq += 1
    offset = read.next
  }
}

test('epoch records follow from the genesis key, over restarts, and each key is used once', async () => {
  const directory = scratchDirectory()
  let journal = await openIn(directory)
  const { genesisPublicKey } = journal.recovery
  const seeds = new Set<string>()
  for (const epoch of upTo(6)) {
    await journal.append(entryOf('s', epoch, 'x'))
    seeds.add(readFileSync(keyFile(directory)).toString('hex'))
    await journal.epoch(ledger(epoch))
    if (epoch !== 2) continue
    await journal.close()
    journal = await openIn(directory)
    expect(journal.recovery).toMatchObject({ damage: [], genesisPublicKey })
  }
  const { records, head, seq, next } = verify(directory, genesisPublicKey)
  expect(records.map(({ epoch, ledgerSize }) => [epoch, ledgerSize])).toEqual(upTo(6).map((n) => [n, n]))
  expect(journal.head()).toEqual({ seq, head })
  expect(seeds.size).toBe(6)
  expect(rawPublicKey(privateKeyFromSeed(readFileSync(keyFile(directory))))).toEqual(next)
  expect(existsSync(`${keyFile(directory)}.next`)).toBe(false)
  await journal.close()
})

test('a crash at any step of turning the key loses neither chain nor key', async () => {
  for (let failAt = 0; ; failAt++) {
    const directory = scratchDirectory()
    let countdown = Number.POSITIVE_INFINITY
    const files = watchedFiles((call: Call) => {
      if (call !== 'close' && countdown-- <= 0) throw systemError('EIO')
    })
    const journal = await openIn(directory, { fileSystem: files })
    const { genesisPublicKey } = journal.recovery
    await journal.append(entryOf('s', 0, 'x'))
    await journal.epoch(ledger(0))
    countdown = failAt
    const outcome = await journal.epoch(ledger(1)).then(
      () => 'durable',
      () => 'rejected',
    )
    countdown = Number.POSITIVE_INFINITY
    await journal.close()
    const again = await openIn(directory, { fileSystem: watchedFiles(() => {}) })
    expect(again.recovery).toMatchObject({ damage: [], tornBytes: 0, genesisPublicKey })
    await again.epoch(ledger(2))
    const { records } = verify(directory, genesisPublicKey)
    expect(records.map(({ ledgerSize }) => ledgerSize)).toContain(2)
    if (outcome === 'durable') expect(records.map(({ ledgerSize }) => ledgerSize)).toEqual([0, 1, 2])
    expect(existsSync(`${keyFile(directory)}.next`)).toBe(false)
    await again.close()
    if (outcome === 'durable') return
  }
})

test('the order is: next key durable, record durable, old key overwritten, old key gone', async () => {
  const directory = scratchDirectory()
  const steps: string[] = []
  let isHeard = false
  const files = watchedFiles((call, args) => {
    if (!isHeard) return
    const [first, second] = args
    if (call === 'open') steps.push(`open ${String(first).split('/').at(-1)} ${String(second)}`)
    else if (call === 'rename') steps.push(`rename ${String(first).split('/').at(-1)}`)
    else if (call === 'write') steps.push(`write ${(second as Uint8Array).length === 32 ? 'key' : 'record'}`)
    else if (call === 'sync' || call === 'datasync') steps.push(call)
  })
  const journal = await openIn(directory, { fileSystem: files })
  // The segment made ahead is ready after this.
  await journal.append(entryOf('s', 0, 'x'))
  isHeard = true
  await journal.epoch(ledger(0))
  isHeard = false
  expect(
    steps.filter((step) => !step.startsWith('open epoch.key read') && step !== 'open epoch.key.next read'),
  ).toEqual([
    'open epoch.key.next create',
    'write key',
    'sync',
    'open keys read',
    'sync',
    'write record',
    'datasync',
    'open epoch.key update',
    'write key',
    'sync',
    'rename epoch.key.next',
    'open keys read',
    'sync',
  ])
  await journal.close()
})

test('an older head of the ledger than one already signed changes nothing: sessions are sealed side by side', async () => {
  const directory = scratchDirectory()
  const journal = await openIn(directory)
  await journal.append(entryOf('s', 0, 'x'))
  await Promise.all([journal.epoch(ledger(5)), journal.epoch(ledger(3)), journal.epoch(ledger(7))])
  await journal.close()
  const { records } = verify(directory, journal.recovery.genesisPublicKey)
  expect(records.map(({ ledgerSize }) => ledgerSize)).toEqual([5, 5, 7])
  const again = await openIn(directory)
  expect(again.recovery.damage).toEqual([])
  await again.close()
})
