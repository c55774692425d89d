// What verification can say. Findings are a closed list (design §8): tools may act on a code, people read the detail.
// Anything not proven and not disproven is `unproven`, never a finding and never silently fine.
import type { SealState } from '../audit.ts'

export type FindingCode =
  /** A line, row or frame is not what was recorded. */
  | 'content_altered'
  /** Every line is as recorded, but bytes of the file around them are not. */
  | 'container_altered'
  /** Every line is as recorded, in another sound compression than the sealed one. */
  | 'repacked'
  /** A recording under a name that its seal does not give, or one that no seal knows. */
  | 'wrong_name'
  /** A recording, proof or journal segment that must be there is not, or cannot be read. */
  | 'missing'
  /** The end is cut off; what is left is as recorded. */
  | 'truncated'
  /** Signed by a key that is not the pinned one, or that does not follow from it. */
  | 'unknown_key'
  /** Two signed histories contradict each other. */
  | 'forked'
  /** Less history than a signed checkpoint from outside has already seen. */
  | 'rolled_back'
  /** The ledger holds together, but tells of something the rules do not allow. */
  | 'rule_broken'

/** Where in a recording. Events are numbered from 0, the header line; times are ms since it. */
export interface Place {
  /** Frame of the sealed file, from 0; undefined when only the events are known. */
  readonly frame?: number
  readonly firstEvent: number
  /** Inclusive; undefined: to the end. */
  readonly lastEvent?: number
  readonly fromMs: number
  readonly toMs?: number
  /** The one event, where its own leaf was at hand. */
  readonly event?: number
}

export interface Finding {
  readonly code: FindingCode
  /** What it is about: a file's name, `ledger row 12`, `journal 00000001.seg`. */
  readonly subject: string
  readonly detail: string
  readonly place?: Place
}

/** One line of the checklist. */
export interface Check {
  readonly name: string
  readonly result: 'ok' | 'finding' | 'unproven'
  readonly detail: string
}

/** One recording in the list. Only `proven` counts as in order. */
export interface CheckedRecording {
  readonly name: string
  readonly session: string | undefined
  readonly state: 'proven' | 'self-consistent' | 'finding' | 'open' | Exclude<SealState, 'complete'>
  readonly lines: number | undefined
  readonly endReason: string | undefined
}

export interface VerifyReport {
  readonly scope: 'file' | 'directory' | 'all'
  readonly checks: readonly Check[]
  readonly findings: readonly Finding[]
  /** Why the result is self-consistent only, such as `signer not pinned`. */
  readonly unproven: readonly string[]
  readonly recordings: readonly CheckedRecording[]
  /** 0 proven, 1 finding, 2 self-consistent only. */
  readonly exitCode: 0 | 1 | 2
}

/** Gathers what a verification says; the exit code follows from it. */
export class ReportBuilder {
  readonly #scope: VerifyReport['scope']
  readonly #checks: Check[] = []
  readonly #findings: Finding[] = []
  readonly #unproven = new Set<string>()
  readonly #recordings: CheckedRecording[] = []

  constructor(scope: VerifyReport['scope']) {
    this.#scope = scope
  }

  get findings(): readonly Finding[] {
    return this.#findings
  }

  find(finding: Finding): void {
    this.#findings.push(finding)
  }

  /** Something neither proven nor disproven. */
  doubt(why: string): void {
    this.#unproven.add(why)
  }

  list(recording: CheckedRecording): void {
    this.#recordings.push(recording)
  }

  /** Notes a line of the checklist: a finding or doubt that came up in `run` decides its result. */
  async check(name: string, run: () => Promise<string> | string): Promise<void> {
    const [findings, doubts] = [this.#findings.length, this.#unproven.size]
    const detail = await run()
    const isFound = this.#findings.length > findings
    const result = isFound ? 'finding' : this.#unproven.size > doubts ? 'unproven' : 'ok'
    this.#checks.push({ name, result, detail })
  }

  report(): VerifyReport {
    const exitCode = this.#findings.length > 0 ? 1 : this.#unproven.size > 0 ? 2 : 0
    return {
      scope: this.#scope,
      checks: this.#checks,
      findings: this.#findings,
      unproven: [...this.#unproven],
      recordings: this.#recordings,
      exitCode,
    }
  }
}
