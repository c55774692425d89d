// The property of issue 4, run by `npm test` in small and by `npm run fuzz` at length: whoever changes what an
// installation left behind is found, whatever he changes; who changes nothing is not accused.
import type { FindingCode, VerifyReport } from '../../src/recording/finding.ts'
import { parseObject } from '../../src/recording/proof.ts'
import { verifyAll } from '../../src/recording/verify-all.ts'
import { verifyDisclosure, verifyFile } from '../../src/recording/verify-file.ts'
import { Chance } from './chance.ts'
import { type Evidence, randomInstallation, type Random } from './evidence.ts'
import { storedOf } from './installation.ts'
import { type Mutation, sealedOf } from './mutation.ts'
import { type Disclosed, forgedEvent, forgeryNames } from './mutation-of-events.ts'
import { fileMutations } from './mutation-of-files.ts'
import { isTailOnly, journalMutations } from './mutation-of-journal.ts'
import { ledgerMutations } from './mutation-of-ledger.ts'
import { proofMutations } from './mutation-of-proofs.ts'

const codes: Readonly<Record<FindingCode, true>> = {
  content_altered: true,
  container_altered: true,
  repacked: true,
  wrong_name: true,
  missing: true,
  truncated: true,
  unknown_key: true,
  forked: true,
  rolled_back: true,
  rule_broken: true,
}

const mutations: readonly Mutation[] = [...fileMutations, ...proofMutations, ...journalMutations, ...ledgerMutations]
/** Mutations of one installation before the next is made. */
const ofOne = 100

export interface Outcome {
  readonly runs: number
  /** How often each mutation was applied. */
  readonly counts: ReadonlyMap<string, number>
  /** What broke the property, with the number of its run: at most ten. */
  readonly failures: readonly string[]
}

/** Applies `runs` mutations from number `from` on; the same seed and number give the same mutation. */
export async function mutate(seed: string, runs: number, from = 0, tell?: (done: number) => void): Promise<Outcome> {
  const counts = new Map<string, number>(
    [...mutations.map(({ name }) => name), ...forgeryNames].map((name) => [name, 0]),
  )
  const failures: string[] = []
  let ground: Ground | undefined
  for (let run = from; run < from + runs && failures.length < 10; run++) {
    const number = Math.floor(run / ofOne)
    if (ground?.number !== number) {
      ground = await Ground.make(seed, number)
      if (ground.fault !== undefined) failures.push(`run ${run}: unchanged: ${ground.fault}`)
      tell?.(run - from)
    }
    const chance = new Chance(`${seed} ${run}`)
    const { name, fault } = await one(ground, chance)
    counts.set(name, (counts.get(name) ?? 0) + 1)
    if (fault !== undefined) failures.push(`run ${run}: ${name}: ${fault}`)
  }
  return { runs, counts, failures }
}

/** An installation and what verification says of it as it is. */
class Ground {
  readonly number: number
  readonly from: Random
  readonly whole: VerifyReport

  constructor(number: number, from: Random, whole: VerifyReport) {
    this.number = number
    this.from = from
    this.whole = whole
  }

  static async make(seed: string, number: number): Promise<Ground> {
    const from = await randomInstallation(new Chance(`${seed} installation ${number}`))
    return new Ground(number, from, await verifyEvidence(from.evidence, from))
  }

  /** An installation as it was written is proven but for what was never whole. */
  get fault(): string | undefined {
    const { findings, exitCode } = this.whole
    if (findings.length > 0) return JSON.stringify(findings)
    const isWhole = this.from.sessions.every(({ state }) => state === 'complete')
    return exitCode === (isWhole ? 0 : 2) ? undefined : `exit ${exitCode}`
  }
}

async function verifyEvidence(evidence: Evidence, { all }: Random): Promise<VerifyReport> {
  return await verifyAll(evidence.snapshot(), { key: all.key, checkpoint: evidence.outside })
}

async function one(
  ground: Ground,
  chance: Chance,
): Promise<{ readonly name: string; readonly fault: string | undefined }> {
  const { from } = ground
  if (chance.isOnceIn(10)) {
    const disclosed = forgedEvent(from, chance)
    return { name: disclosed.name, fault: await judged(() => event(disclosed, from)) }
  }
  for (;;) {
    const mutation = chance.pick(mutations)
    const changed = from.evidence.copy()
    if (!(await mutation.apply(changed, from, chance))) continue
    // One recording costs a fraction of the whole to verify; now and then the whole must find it too.
    const isAlone = mutation.scope === 'file' && !chance.isOnceIn(8)
    const fault = await judged(() => (isAlone ? alone(changed, ground, mutation) : together(changed, ground, mutation)))
    return { name: mutation.name, fault }
  }
}

async function judged(judge: () => Promise<string | undefined>): Promise<string | undefined> {
  try {
    return await judge()
  } catch (error) {
    return `it crashed: ${error instanceof Error ? error.stack : String(error)}`
  }
}

/** The recording that was changed, by its proof and the pinned key. */
async function alone(changed: Evidence, { from }: Ground, mutation: Mutation): Promise<string | undefined> {
  const differs = (name: string) =>
    changed.files.get(name)?.equals(from.evidence.files.get(name) ?? Buffer.alloc(0)) !== true
  const touched = sealedOf(from).find(({ file }) => differs(file) || differs(file.replace('.cast.zst', '.proof')))
  if (touched === undefined) return 'it changed no recording'
  const report = await verifyFile(storedOf(changed.files, touched.file), { key: from.all.key })
  if (mutation.expected === 'nothing') return report.findings.length === 0 ? undefined : strange(report)
  return found(report)
}

/** A disclosure that was changed is found, or says to the letter what it said before. */
async function event({ text, changed }: Disclosed, { all }: Random): Promise<string | undefined> {
  const verified = async (text: string) =>
    await verifyDisclosure('one.event.json', { kind: 'text', text }, { key: all.key })
  const [before, after] = [await verified(text), await verified(changed)]
  if (before.exitCode !== 0) return `unchanged: ${strange(before)}`
  return JSON.stringify(after.checks) === JSON.stringify(before.checks) &&
    JSON.stringify(content(changed)) === JSON.stringify(content(text))
    ? undefined
    : found(after)
}

function content(text: string): unknown {
  const { seq, event, line } = parseObject(text) ?? {}
  return { seq, event, line }
}

async function together(changed: Evidence, { from, whole }: Ground, mutation: Mutation): Promise<string | undefined> {
  const report = await verifyEvidence(changed, from)
  const isAsBefore = JSON.stringify(report.recordings) === JSON.stringify(whole.recordings)
  if (mutation.expected === 'nothing')
    return report.exitCode === whole.exitCode && isAsBefore ? undefined : strange(report)
  const doubts = report.unproven.filter((doubt) => !whole.unproven.includes(doubt))
  if (report.exitCode === 2 && mutation.expected === 'doubted' && doubts.length > 0) return undefined
  if (report.exitCode !== 1 && mutation.expected === 'tail' && isTailOnly(changed, from))
    return isAsBefore ? undefined : strange(report)
  return found(report)
}

function found(report: VerifyReport): string | undefined {
  const { exitCode, findings } = report
  return exitCode === 1 && findings.length > 0 && findings.every(({ code }) => codes[code])
    ? undefined
    : strange(report)
}

function strange({ exitCode, findings, unproven }: VerifyReport): string {
  return `exit ${exitCode} ${JSON.stringify({ findings, unproven })}`
}
