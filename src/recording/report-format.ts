// A verification report for people: the checklist, what was found and where, what is not proven, and one last line that
// says what the exit code says. `--json` prints the VerifyReport as it is.
import type { CheckedRecording, Finding, Place, VerifyReport } from './finding.ts'

const results = { ok: 'ok', finding: 'FOUND', unproven: 'open' } as const

/** Nobody reads more; the rest is counted, and `--json` has all. */
const mostListed = 50

/** The report as lines of text, ending in a newline. */
export function formatReport(report: VerifyReport): string {
  const lines = report.checks.map(({ name, result, detail }) => `${pad(results[result], 6)} ${pad(name, 24)} ${detail}`)
  lines.push(...section('found', report.findings, formatFinding))
  lines.push(...section('not proven', report.unproven, (why) => [why]))
  const notProven = report.recordings.filter(({ state }) => state !== 'proven')
  lines.push(...section('recordings that are not proven', notProven, formatRecording))
  lines.push('', verdict(report))
  return `${lines.map(printable).join('\n')}\n`
}

function section<T>(title: string, entries: readonly T[], format: (entry: T) => readonly string[]): string[] {
  if (entries.length === 0) return []
  const rest = entries.length - mostListed
  const listed = entries.slice(0, mostListed).flatMap((entry) => format(entry).map((line) => `  ${line}`))
  return ['', `${title}:`, ...listed, ...(rest > 0 ? [`  and ${rest} more`] : [])]
}

function formatFinding({ code, subject, detail, place }: Finding): string[] {
  const where = place === undefined ? [] : [`${' '.repeat(18)} ${formatPlace(place)}`]
  return [`${pad(code, 18)} ${subject}: ${detail}`, ...where]
}

/** Such as `frame 3, events 120 to 180, 00:01:04.250 to 00:01:09.000; event 133`. */
export function formatPlace({ frame, firstEvent, lastEvent, fromMs, toMs, event }: Place): string {
  const parts = frame === undefined ? [] : [`frame ${frame}`]
  parts.push(lastEvent === undefined ? `from event ${firstEvent}` : `events ${firstEvent} to ${lastEvent}`)
  parts.push(toMs === undefined ? `from ${formatTime(fromMs)}` : `${formatTime(fromMs)} to ${formatTime(toMs)}`)
  return event === undefined ? parts.join(', ') : `${parts.join(', ')}; event ${event}`
}

/** `hh:mm:ss.mmm` since the header line. */
function formatTime(ms: number): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0')
  const rest = String(ms % 1000).padStart(3, '0')
  return `${two(ms / 3_600_000)}:${two((ms / 60_000) % 60)}:${two((ms / 1000) % 60)}.${rest}`
}

function formatRecording({ name, state, lines, endReason }: CheckedRecording): string[] {
  const size = lines === undefined ? '' : `, ${lines} events`
  return [`${pad(state, 18)} ${name}${size}${endReason === undefined ? '' : `, ${endReason}`}`]
}

function verdict({ exitCode, findings, recordings }: VerifyReport): string {
  const proven = recordings.filter(({ state }) => state === 'proven').length
  const counts = `${proven} of ${recordings.length} recordings proven`
  switch (exitCode) {
    case 0:
      return `proven: ${counts}`
    case 1:
      return `${findings.length} finding${findings.length === 1 ? '' : 's'}: ${counts}`
    case 2:
      return `self-consistent only: ${counts}`
  }
}

function pad(text: string, width: number): string {
  return text.padEnd(width)
}

/** Names come from files that may be anybody's: none of their bytes may steer a terminal. */
function printable(line: string): string {
  return line.replace(/[\p{C}\u2028\u2029]/gu, '\u{fffd}')
}
