// The ledger's rows against every signed head that is known of them: checkpoints stored, in proofs and from outside, and
// the roots in epoch records. One pass in O(log n) memory. An edited row is named by the hash stored beside it, or else
// between the last head that still agrees and the first that does not.
import { Frontier, leafHash } from '../ledger/merkle.ts'
import type { Finding, ReportBuilder } from './finding.ts'

/** A row as the store has it. */
export interface LedgerRow {
  /** 0, 1, 2 … */
  readonly position: number
  readonly leaf: Uint8Array
  /** Leaf hash, if the store keeps it beside the leaf: it only serves to name an edited row. */
  readonly hash?: Uint8Array
}

/** A tree head that somebody signed. */
export interface KnownHead {
  readonly size: number
  /** 32 bytes. */
  readonly root: Buffer
  /** Such as `epoch 7` or `the checkpoint from outside`. */
  readonly source: string
  /** From outside the machine: history that ends before it was rolled back, not merely cut. */
  readonly isOutside: boolean
}

/** Reads every row, hands each to `visit`, and reports what does not agree. Gives the number of rows. */
export async function checkLedger(
  rows: AsyncIterable<LedgerRow>,
  heads: readonly KnownHead[],
  visit: (row: LedgerRow) => void,
  report: ReportBuilder,
): Promise<number> {
  const compare = new HeadComparison(heads)
  let size = 0
  let isWhole = true
  compare.at(0)
  for await (const row of rows) {
    if (row.position !== size && isWhole) {
      isWhole = false
      report.find({ code: 'missing', subject: `ledger row ${size}`, detail: `the next row there is ${row.position}` })
    }
    if (!compare.append(row)) report.find(editedRow(row))
    size = row.position + 1
    if (isWhole) compare.at(size)
    visit(row)
  }
  for (const finding of compare.findings(size, isWhole)) report.find(finding)
  return size
}

function editedRow({ position }: LedgerRow): Finding {
  const detail = 'its bytes are not those its hash was made of'
  return { code: 'content_altered', subject: `ledger row ${position}`, detail }
}

/** Compares roots at every known size as the tree grows. */
class HeadComparison {
  readonly #heads: readonly KnownHead[]
  /** Over the bytes of the rows. */
  readonly #computed = new Frontier()
  /** Over the hashes stored beside them, from the first row where the two differ. */
  #stored: Frontier | undefined
  #next = 0
  readonly #wrong: KnownHead[] = []
  #lastRight: KnownHead | undefined
  #lastRightBeforeWrong: KnownHead | undefined

  constructor(heads: readonly KnownHead[]) {
    this.#heads = heads.toSorted((a, b) => a.size - b.size)
  }

  /** Takes a row; false when its stored hash is not that of its bytes. */
  append({ leaf, hash }: LedgerRow): boolean {
    const computed = leafHash(leaf)
    const isSame = hash === undefined || computed.equals(hash)
    if (!isSame) this.#stored ??= Frontier.from(this.#computed.size, this.#computed.peaks)
    this.#computed.append(computed)
    if (hash?.length === computed.length) this.#stored?.append(hash)
    else this.#stored?.append(computed)
    return isSame
  }

  /** Compares the heads of this size. */
  at(size: number): void {
    for (let head = this.#heads[this.#next]; head?.size === size; head = this.#heads[this.#next]) {
      this.#next += 1
      const roots = [this.#computed.root(), this.#stored?.root()]
      if (roots.some((root) => root?.equals(head.root) === true)) this.#lastRight = head
      else {
        if (this.#wrong.length === 0) this.#lastRightBeforeWrong = this.#lastRight
        this.#wrong.push(head)
      }
    }
  }

  findings(size: number, isWhole: boolean): Finding[] {
    const [wrong] = this.#wrong
    const behind = isWhole ? this.#heads.slice(this.#next) : []
    return [...(wrong === undefined ? [] : [this.#contradiction(wrong)]), ...behindEnd(behind, size)]
  }

  #contradiction(wrong: KnownHead): Finding {
    const right = this.#lastRight
    const { size, source } = wrong
    // A later head that agrees makes the rows right and one of the two signers a liar.
    if (right !== undefined && right.size >= size)
      return {
        code: 'forked',
        subject: 'ledger',
        detail: `${source} signed another history of the first ${size} rows than ${right.source}, which the rows agree with`,
      }
    const from = this.#lastRightBeforeWrong?.size ?? 0
    const subject = size - from === 1 ? `ledger row ${from}` : `ledger rows ${from} to ${size - 1}`
    return { code: 'content_altered', subject, detail: `they do not give the root that ${source} signed` }
  }
}

/** Heads that know more rows than there are: one finding for outside, one for the machine's own. */
function behindEnd(heads: readonly KnownHead[], size: number): Finding[] {
  const outside = heads.findLast((head) => head.isOutside)
  const own = heads.findLast((head) => !head.isOutside)
  const lost = (head: KnownHead) => `${head.source} saw ${head.size} rows, ${size} are left`
  return [
    ...(outside === undefined ? [] : [{ code: 'rolled_back', subject: 'ledger', detail: lost(outside) } as const]),
    ...(own === undefined ? [] : [{ code: 'truncated', subject: 'ledger', detail: lost(own) } as const]),
  ]
}
