// The ledger's leaves and the right edge of its tree. The edge is kept in memory and in the head row, which every append
// writes in its own transaction; at open it is rebuilt from the leaves and compared, so that an edited row shows.

import { HalliganError } from '../errors.ts'
import { Frontier, hashBytes, leafHash } from '../ledger/merkle.ts'
import { joinNodes, type TreeNode } from '../ledger/stored-tree.ts'
import type { LedgerHead } from '../session/state.ts'
import { sql, type Engine } from './engine.ts'
import type { Calls, ChangeRows, Integrity } from './message.ts'

/** Leaves read at a time while inner nodes are rebuilt: 128 KiB of hashes. */
const nodesPerPage = 4096

/** What is stored; the other columns are read from the leaf. */
const leafColumns = ['position', 'leaf', 'hash'] as const

export class LedgerTable {
  readonly #engine: Engine
  /** What the last committed transaction left; replaced only after a commit. */
  #frontier: Frontier

  private constructor(engine: Engine, frontier: Frontier) {
    this.#engine = engine
    this.#frontier = frontier
  }

  /**
   * Rebuilds the tree from every leaf and compares it with the head row. Damage never prevents start: the tree goes on
   * from the head row, as the checkpoints outside the machine know it, and `integrity` names the first problem.
   * `at` (ms) marks the rows that had to be set aside for that.
   */
  static open(engine: Engine, at: number): { readonly ledger: LedgerTable; readonly integrity: Integrity } {
    const kept = readHead(engine)
    const found = rebuild(engine, kept.size)
    const { frontier, integrity } = judge(kept, found)
    if (found.rows > 0) setStrayAside(engine, frontier.size, at)
    if (integrity === 'ok') fillNodes(engine, frontier.size)
    return { ledger: new LedgerTable(engine, frontier), integrity }
  }

  head(): LedgerHead {
    return headOf(this.#frontier)
  }

  /**
   * The hashes of a proof in the tree of `size`, one after the other. Throws `store_failed` when that is beyond the head or
   * a node of it is missing.
   */
  proof({ size, parts }: Calls['proof']['take']): Uint8Array {
    if (size > this.#frontier.size) throw unprovable(`a tree of ${size} leaves is beyond the head`)
    const hashes = parts.map((part) => joinNodes(part.map((node) => readNode(this.#engine, node))))
    return Uint8Array.from(Buffer.concat(hashes))
  }

  /** Inside a transaction: writes leaves and head row. The function it gives must be called once that has committed. */
  append(leaves: ChangeRows['leaves']): () => LedgerHead {
    if (leaves.length === 0) return () => this.head()
    const next = Frontier.from(this.#frontier.size, this.#frontier.peaks)
    for (const { leaf, hash } of leaves) {
      this.#engine.run(sql.insertInto('ledger').values({ position: next.size, leaf, hash }))
      next.append(hash, (level, index, node) => insertNode(this.#engine, level, index, node))
    }
    writeHead(this.#engine, next)
    return () => {
      this.#frontier = next
      return this.head()
    }
  }
}

function readNode(engine: Engine, { level, index }: TreeNode): Buffer {
  const row = engine.get(
    level === 0
      ? sql.selectFrom('ledger').select('hash').where('position', '=', index)
      : sql.selectFrom('ledger_nodes').select('hash').where('level', '=', level).where('position', '=', index),
  )
  if (row === undefined) throw unprovable(`ledger node ${level}/${index} is missing`)
  return Buffer.from(row.hash)
}

function unprovable(problem: string): HalliganError {
  return new HalliganError('store_failed', problem, {
    hint: 'the state database was altered or an older one put back: run halligan verify --all',
  })
}

interface KeptHead {
  readonly size: number
  readonly root: Buffer
  /** Undefined when the row contradicts itself. */
  readonly frontier: Frontier | undefined
}

interface FoundLeaves {
  readonly rows: number
  /** Over the stored hashes, up to the first gap. */
  readonly frontier: Frontier
  /** Root of the first `size` leaves of the head row, if there are as many. */
  readonly rootAtHead: Buffer | undefined
  readonly problem: string | undefined
}

function readHead(engine: Engine): KeptHead {
  const row = engine.get(sql.selectFrom('ledger_head').selectAll())
  if (row === undefined) return { size: 0, root: new Frontier().root(), frontier: new Frontier() }
  const root = Buffer.from(row.root)
  return { size: row.size, root, frontier: frontierOf(row.size, row.peaks, root) }
}

function frontierOf(size: number, peaks: Uint8Array, root: Buffer): Frontier | undefined {
  const bits = size.toString(2).replaceAll('0', '').length
  if (size < 0 || peaks.length !== bits * hashBytes) return undefined
  const parts = Array.from({ length: bits }, (_, index) => peaks.subarray(index * hashBytes, (index + 1) * hashBytes))
  const frontier = Frontier.from(size, parts)
  return frontier.root().equals(root) ? frontier : undefined
}

function rebuild(engine: Engine, headSize: number): FoundLeaves {
  const frontier = new Frontier()
  let rows = 0
  let problem: string | undefined
  let hasGap = false
  let rootAtHead = headSize === 0 ? frontier.root() : undefined
  for (const row of engine.iterate(sql.selectFrom('ledger').select(leafColumns).orderBy('position'))) {
    rows += 1
    if (row.position !== frontier.size) hasGap = true
    if (hasGap) {
      problem ??= `leaf ${frontier.size} is missing`
      continue
    }
    if (!leafHash(row.leaf).equals(row.hash)) problem ??= `leaf ${row.position} was altered`
    frontier.append(row.hash)
    if (frontier.size === headSize) rootAtHead = frontier.root()
  }
  return { rows, frontier, rootAtHead, problem }
}

function judge(kept: KeptHead, found: FoundLeaves): { readonly frontier: Frontier; readonly integrity: Integrity } {
  const isPrefix = found.rootAtHead?.equals(kept.root) ?? false
  const problem =
    found.problem ??
    (kept.frontier === undefined
      ? 'the head row contradicts itself'
      : found.frontier.size < kept.size
        ? `leaves ${found.frontier.size} to ${kept.size - 1} are missing`
        : !isPrefix
          ? `the first ${kept.size} leaves do not give the root of the head row`
          : found.frontier.size > kept.size
            ? `leaves ${kept.size} to ${found.frontier.size - 1} are beyond the head row`
            : undefined)
  // Leaves that only go further than the head row are an older head row put back: the longer tree contains it.
  const frontier = isPrefix ? found.frontier : (kept.frontier ?? found.frontier)
  return { frontier, integrity: problem === undefined ? 'ok' : { problem } }
}

/** A database of an earlier version, or one restored in part, lacks nodes: a tree has one for each leaf but its peaks. */
function fillNodes(engine: Engine, size: number): void {
  const kept = engine.get(sql.selectFrom('ledger_nodes').select((row) => row.fn.countAll<number>().as('nodes')))
  const peaks = size.toString(2).replaceAll('0', '').length
  if (kept?.nodes === (size === 0 ? 0 : size - peaks)) return
  engine.transaction(() => {
    engine.run(sql.deleteFrom('ledger_nodes'))
    const frontier = new Frontier()
    while (frontier.size < size) {
      const page = sql.selectFrom('ledger').select('hash').where('position', '>=', frontier.size).orderBy('position')
      // Read page by page: nothing may be written while rows are still being read.
      const leaves = Array.from(engine.iterate(page.limit(nodesPerPage)))
      for (const { hash } of leaves)
        frontier.append(hash, (level, index, node) => insertNode(engine, level, index, node))
    }
  })
}

function insertNode(engine: Engine, level: number, index: number, hash: Buffer): void {
  engine.run(sql.insertInto('ledger_nodes').values({ level, position: index, hash }))
}

/** Rows where the tree will go on would block every later append. */
function setStrayAside(engine: Engine, size: number, at: number): void {
  engine.transaction(() => {
    for (;;) {
      const row = engine.get(sql.selectFrom('ledger').select(leafColumns).where('position', '>=', size).limit(1))
      if (row === undefined) return
      engine.run(sql.insertInto('ledger_stray').values({ ...row, found_at: at }))
      engine.run(sql.deleteFrom('ledger').where('position', '=', row.position))
    }
  })
}

function writeHead(engine: Engine, frontier: Frontier): void {
  const head = { size: frontier.size, root: frontier.root(), peaks: Buffer.concat(frontier.peaks) }
  engine.run(
    sql
      .insertInto('ledger_head')
      .values({ id: 1, ...head })
      .onConflict((conflict) => conflict.column('id').doUpdateSet(head)),
  )
}

function headOf(frontier: Frontier): LedgerHead {
  return { size: frontier.size, root: frontier.root().toString('hex') }
}
