// Bulk through ssh, both ways, beside `ssh -J` through a real OpenSSH: the same client, the same target, one cipher.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Bulk, Installation } from './installation.ts'
import { quiet, runClient, timed } from './process.ts'
import { median, rounds } from './rounds.ts'
import type { Sizes } from './sizes.ts'
import { absentRow, factorRow, type Row } from './table.ts'

const CHUNK = Buffer.alloc(1 << 20, 'halligan ')
const bounds: Record<Bulk, number> = { hash: 1.2, full: 0.8 }

/** Throughput of a download and an upload, the time to connect taken off. */
export async function fileRows(place: Installation, sizes: Sizes): Promise<Row[]> {
  const { ssh } = place.programs
  if (ssh === undefined) return [absentRow('ssh bulk', '≥ 1.2×', 'left out: apt-get install openssh-client')]
  const file = join(place.folder, 'upload')
  for (let written = 0; written < sizes.sshBytes; written += CHUNK.length) writeFileSync(file, CHUNK, { flag: 'a' })
  const mebibytes = sizes.sshBytes / 2 ** 20
  const run = (host: string, command: string, files: { stdin?: string; stdout?: string }) =>
    timed(() => runClient(ssh, [...place.sshOptions, host, command], files))
  const measure = async (command: string, files: { stdin?: string; stdout?: string }) => {
    const way = (host: string) => async () => {
      const connectMs = await run(host, 'true', {})
      const ms = await run(host, command, files)
      await quiet(place.bastionPid)
      return (mebibytes / (ms - connectMs)) * 1000
    }
    return rounds(sizes.rounds, {
      hash: way('web-hash'),
      jumped: way('jumped'),
      full: way('web-full'),
      direct: way('direct'),
    })
  }
  const rows: Row[] = []
  for (const [what, command, files] of [
    ['download', `cat ${file}`, { stdout: '/dev/null' }],
    ['upload', 'cat > /dev/null', { stdin: file }],
  ] as const) {
    const measured = await measure(command, files)
    for (const bulk of ['hash', 'full'] as const)
      rows.push(
        factorRow({
          what: `ssh ${what}, AES-GCM, ${bulk === 'hash' ? '`hash`' : '`full` (10 MiB whole, then hash)'}`,
          unit: 'MiB/s',
          halligan: median(measured[bulk]),
          beside: {
            name: `direct ${median(measured.direct).toFixed(0)} MiB/s; ssh -J`,
            value: median(measured.jumped),
          },
          bound: { at: 'least', factor: bounds[bulk] },
        }),
      )
  }
  return rows
}
