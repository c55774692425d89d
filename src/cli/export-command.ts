// `halligan export`: a sealed recording in a form that other tools and people read, or one event of it with its proof.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { discloseEvent, findRecording, openForExport } from '../archive/export.ts'
import { HalliganError } from '../errors.ts'
import { parseInstallationKey } from '../ledger/note-key.ts'
import { AsciicastExport } from '../recording/asciicast-export.ts'
import { encodeDisclosure } from '../recording/disclosure.ts'
import { exportLines, type Exporter } from '../recording/exported-line.ts'
import { JsonlExport, SqlExport, TextExport } from '../recording/text-export.ts'

interface ExportOptions {
  readonly asciicast?: boolean
  readonly v2?: boolean
  readonly sql?: boolean
  readonly text?: boolean
  readonly jsonl?: boolean
  readonly event?: string
  readonly key?: string
  readonly state: string
  readonly recordings?: string
}

/** Adds `export`. Output goes to `write` piece by piece, so that a day's recording takes no memory. */
export function addExportCommand(root: Command, write: (text: string) => void): void {
  root
    .command('export')
    .description('a sealed recording in another form; it is verified first')
    .argument('<session>', 'its id, or the path of a .cast.zst')
    .option('--asciicast', 'asciicast v3, for any asciinema player')
    .option('--v2', 'with --asciicast: version 2, for older players')
    .option('--sql', 'statements with time, outcome and parameters')
    .option('--text', 'what was on the screen, as plain text')
    .option('--jsonl', 'every event as one JSON object, with its time')
    .option('--event <number>', 'this event alone, with its proof: halligan verify FILE.event.json')
    .option('--key <file>', 'the public key you pinned (halligan.pub)')
    .option('--state <directory>', 'state directory', '.halligan/demo')
    .option('--recordings <directory>', 'recordings directory; STATE/recordings when left out')
    .action((session: string, options: ExportOptions) => run(session, options, write))
}

async function run(session: string, options: ExportOptions, write: (text: string) => void): Promise<void> {
  const { asciicast, sql, text, jsonl, event } = options
  const chosen = [asciicast, sql, text, jsonl, event].filter((option) => option !== undefined)
  if (chosen.length !== 1 || (options.v2 === true && asciicast !== true))
    throw new HalliganError('usage', 'export as what?', {
      hint: 'give one of --asciicast [--v2], --sql, --text, --jsonl, --event NUMBER',
    })
  const key = options.key === undefined ? undefined : parseInstallationKey(readFileSync(options.key, 'utf8'))
  const folder = options.recordings ?? join(options.state, 'recordings')
  const path = session.endsWith('.cast.zst') ? session : await findRecording(folder, session)
  const opened = await openForExport(path, key)
  try {
    if (event !== undefined) {
      write(encodeDisclosure(await discloseEvent(opened, numberOf(event))))
      return
    }
    for await (const piece of exportLines(opened.recording.lines(), exporterOf(options))) if (piece !== '') write(piece)
  } finally {
    await opened.recording.close()
  }
}

function exporterOf({ asciicast, v2, sql, text }: ExportOptions): Exporter {
  if (asciicast === true) return new AsciicastExport(v2 === true ? 2 : 3)
  if (sql === true) return new SqlExport()
  return text === true ? new TextExport() : new JsonlExport()
}

function numberOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new HalliganError('usage', `${text} is no event number`, { hint: 'events are counted from 0, the header line' })
}
