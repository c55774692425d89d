// The code of a demo user, kept current on a terminal and printed once anywhere else.
import type { Clock, Timer } from '../clock.ts'
import { STEP_MS, totpCode } from '../identity/totp.ts'
import { codeLine, type CodeFacts } from './lines.ts'

/** Seconds are shown. */
const REDRAW_MS = 1000

/** As much of a terminal or a file as is needed. */
export interface Output {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

/** The code of `user` now and next, for its TOTP secret. */
export function codeFacts(user: string, totpSecret: string, now: number): CodeFacts {
  const code = totpCode(totpSecret, now)
  return { user, code, next: totpCode(totpSecret, now + STEP_MS), leftMs: STEP_MS - (now % STEP_MS) }
}

/**
 * Shows the code line and, on a terminal, draws it again in place each second until `stop`, which ends the line.
 * Elsewhere it is written once, with the command that tells the current one.
 */
export function showCode(
  output: Output,
  clock: Clock,
  person: { readonly user: string; readonly totpSecret: string },
): { stop(): void } {
  const line = () => codeLine(codeFacts(person.user, person.totpSecret, clock.now()))
  if (output.isTTY !== true) {
    output.write(`${line()}; later: node scripts/run.cjs demo code ${person.user}\n`)
    return { stop: () => undefined }
  }
  let timer: Timer | undefined
  const draw = () => {
    // A line that wraps could not be drawn over.
    output.write(`\r\u001B[2K${line().slice(0, Math.max(0, (output.columns ?? 80) - 1))}`)
    timer = clock.after(REDRAW_MS, draw)
  }
  draw()
  return {
    stop: () => {
      timer?.cancel()
      output.write('\n')
    },
  }
}
