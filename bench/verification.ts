// `halligan verify` of one large recording, beside SHA-256 of the same bytes: a terminal on which much was written.

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { verifyPath } from '../src/archive/verification.ts'
import { openPlainFile } from '../src/archive/stored-file.ts'
import { parseInstallationKey } from '../src/ledger/note-key.ts'
import { ByteSource } from '../src/recording/byte-source.ts'
import { readContainer } from '../src/recording/container.ts'
import type { Installation } from './installation.ts'
import { quiet, runClient, timed } from './process.ts'
import { median, rounds } from './rounds.ts'
import type { Sizes } from './sizes.ts'
import { absentRow, factorRow, type Row } from './table.ts'

/** MiB of lines per second. */
export async function verificationRows(place: Installation, sizes: Sizes): Promise<Row[]> {
  const { ssh } = place.programs
  if (ssh === undefined) return [absentRow('verify', '≥ 0.5×', 'left out: apt-get install openssh-client')]
  const printed = join(place.folder, 'printed')
  writeFileSync(printed, terminalText(sizes.terminalBytes))
  await runClient(ssh, [...place.sshOptions, '-tt', 'web-hash', `cat ${printed}`], { stdout: '/dev/null' })
  await quiet(place.bastionPid)
  const file = largestRecording(place.recordings)
  const content = await contentOf(file)
  const key = parseInstallationKey(readFileSync(place.publicKeyFile, 'utf8'))
  const mebibytes = content.length / 2 ** 20
  const measured = await rounds(Math.max(sizes.rounds, 2), {
    verify: async () => {
      const ms = await timed(async () => {
        const report = await verifyPath(file, { key, checkpoint: undefined })
        if (report.exitCode === 1) throw new Error('the recording does not verify')
      })
      return (mebibytes / ms) * 1000
    },
    digest: async () => (mebibytes / (await timed(async () => createHash('sha256').update(content).digest()))) * 1000,
  })
  return [
    factorRow({
      what: 'verify a recording',
      unit: 'MiB/s of lines',
      halligan: median(measured.verify),
      beside: { name: 'SHA-256 of the same bytes', value: median(measured.digest) },
      bound: { at: 'least', factor: 0.5 },
    }),
  ]
}

/** As long listings are: numbers, dates and names, some of them in colour. */
function terminalText(bytes: number): Buffer {
  const lines: string[] = []
  for (let length = 0, n = 0; length < bytes; n++) {
    const day = String((n % 28) + 1).padStart(2)
    const size = String((n * 7919) % 10_000_000).padStart(9)
    const line = `-rw-r--r-- 1 root root ${size} Nov ${day} 03:${String(n % 60).padStart(2, '0')} \x1b[01;34mrecord-${n}\x1b[0m.log\n`
    lines.push(line)
    length += line.length
  }
  return Buffer.from(lines.join(''), 'latin1')
}

function largestRecording(folder: string): string {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.name.endsWith('.cast.zst'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort((a, b) => statSync(b).size - statSync(a).size)
  if (files[0] === undefined) throw new Error(`no recording was sealed in ${dirname(folder)}`)
  return files[0]
}

async function contentOf(file: string): Promise<Buffer> {
  const opened = await openPlainFile(file)
  if (opened.kind === 'absent') throw new Error(`recording is ${opened.why}`)
  const parts: Buffer[] = []
  const bytes = opened.handle.createReadStream({ autoClose: true })
  for await (const part of readContainer(new ByteSource(bytes, { isHashed: false })))
    if (part.kind === 'content') parts.push(Buffer.from(part.content))
  return Buffer.concat(parts)
}
