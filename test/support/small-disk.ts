// A real file system of a few hundred kilobytes over a folder, seen only by who is started on it: mounted in a namespace
// of its own, which a process of ours keeps alive. It goes with the test's process, however that ends.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The ways into a namespace in which we may mount: as anybody where the system lets users have their own, or as root. */
const ways = [
  { unshare: ['-r', '-m'], nsenter: ['--user', '--preserve-credentials', '--mount'] },
  { unshare: ['-m'], nsenter: ['--mount'] },
] as const

/** Mounts on $1 with size $2, says so, and stays until its input ends. */
const script = 'mount -t tmpfs -o "size=$2,mode=0700" tmpfs "$1" && echo mounted && exec cat'

let found: (typeof ways)[number] | undefined | 'unknown' = 'unknown'

/** The way that works on this machine, tried once. */
function way(): (typeof ways)[number] | undefined {
  if (found !== 'unknown') return found
  const folder = mkdtempSync(join(tmpdir(), 'halligan-disk-'))
  found = ways.find(
    ({ unshare, nsenter }) =>
      spawnSync('unshare', [...unshare, 'sh', '-c', script, 'sh', folder, '64k'], { input: '' }).status === 0 &&
      spawnSync('nsenter', [`--target=${process.pid}`, nsenter[nsenter.length - 1] ?? '', 'true']).error === undefined,
  )
  rmSync(folder, { recursive: true, force: true })
  return found
}

/** Whether this machine lets us mount; where it does not, says so once, and what is not tested for that. */
export function canMount(whatIsLeftOut: string): boolean {
  const isPossible = way() !== undefined
  if (!isPossible) console.warn(`left out: ${whatIsLeftOut} (needs unshare, nsenter and leave to mount a tmpfs)`)
  return isPossible
}

export class SmallDisk {
  readonly #holder: ChildProcess
  readonly #nsenter: readonly string[]

  private constructor(holder: ChildProcess, nsenter: readonly string[]) {
    this.#holder = holder
    this.#nsenter = nsenter
  }

  /** `size` as tmpfs takes it, such as `1m`. */
  static async mount(folder: string, size: string): Promise<SmallDisk> {
    const how = way()
    if (how === undefined) throw new Error('nothing can be mounted here; ask canMount first')
    const holder = spawn('unshare', [...how.unshare, 'sh', '-c', script, 'sh', folder, size], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const said = await Promise.race([once(holder.stdout, 'data'), once(holder, 'exit')])
    if (String(said[0]) !== 'mounted\n') throw new Error(`could not mount on ${folder}: ${String(said)}`)
    return new SmallDisk(holder, how.nsenter)
  }

  /** What to put before a command so that it sees the disk. */
  get prefix(): readonly string[] {
    return ['nsenter', `--target=${this.#holder.pid}`, ...this.#nsenter]
  }

  /** Runs a program there to its end; fails when it fails. */
  run(...command: readonly string[]): void {
    const [file = '', ...args] = [...this.prefix, ...command]
    const { status, stderr } = spawnSync(file, args, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`${command.join(' ')} ended with ${status}: ${stderr}`)
  }

  /** Lets a file grow until nothing is left. */
  fill(file: string): void {
    const [command, ...args] = [...this.prefix, 'dd', 'if=/dev/zero', `of=${file}`, 'bs=4k']
    const { stderr } = spawnSync(command, args, { encoding: 'utf8' })
    if (!stderr.includes('No space left')) throw new Error(`the disk is not full: ${stderr}`)
  }

  async unmount(): Promise<void> {
    const exited = once(this.#holder, 'exit')
    this.#holder.stdin?.end()
    await exited
  }
}
