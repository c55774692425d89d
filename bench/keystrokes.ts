// What a person feels: one key, and its echo on the screen, by real ssh on a terminal. The target's terminal is raw and
// `cat` sends back what comes, so that both ways through Halligan are held until durable.

import { spawn, type IPty } from 'node-pty'
import { setTimeout as pause } from 'node:timers/promises'
import type { Installation } from './installation.ts'
import { syncCostMs } from './machine.ts'
import { clientEnvironment, timed } from './process.ts'
import { quantile } from './rounds.ts'
import type { Sizes } from './sizes.ts'
import { absentRow, figure, type Row } from './table.ts'

/** Nobody types faster, and no echo of a key meets the next one. */
const PAUSE_MS = 8
const ECHO_LIMIT_MS = 10_000
const bounds = [
  { name: 'p50', share: 0.5, addedMs: 0.5 },
  { name: 'p99', share: 0.99, addedMs: 2 },
]

/** The median and the slowest hundredth of the echoes, beside OpenSSH without anything between; keys in turn. */
export async function keystrokeRows(place: Installation, sizes: Sizes): Promise<Row[]> {
  const { ssh } = place.programs
  if (ssh === undefined)
    return [absentRow('keystroke echo', '+ 0.5 / 2 ms', 'left out: apt-get install openssh-client')]
  const syncMs = syncCostMs(place.folder, sizes.syncs)
  const [halligan, direct] = await Promise.all(
    ['web-hash', 'direct'].map((host) => Echo.open(ssh, place.sshOptions, host)),
  )
  if (halligan === undefined || direct === undefined) return []
  try {
    const times: { halligan: number[]; direct: number[] } = { halligan: [], direct: [] }
    for (let n = 0; n < sizes.keystrokes; n++) {
      times.halligan.push(await halligan.key())
      await pause(PAUSE_MS)
      times.direct.push(await direct.key())
      await pause(PAUSE_MS)
    }
    return bounds.map(({ name, share, addedMs }) => {
      const [ours, theirs] = [quantile(times.halligan, share), quantile(times.direct, share)]
      return {
        what: `keystroke echo, held both ways, ${name}`,
        halligan: figure(ours, 'ms'),
        beside: `direct OpenSSH ${figure(theirs, 'ms')}; one sync ${figure(syncMs, 'ms')}`,
        ratio: `${ours >= theirs ? '+' : '−'} ${Math.abs(ours - theirs).toFixed(2)} ms`,
        target: `≤ + ${addedMs} ms`,
        isMet: ours - theirs <= addedMs,
      }
    })
  } finally {
    halligan.close()
    direct.close()
  }
}

class Echo {
  readonly #pty: IPty
  #seen: (text: string) => void = () => {}

  private constructor(pty: IPty) {
    this.#pty = pty
    pty.onData((text) => this.#seen(text))
  }

  static async open(ssh: string, options: readonly string[], host: string): Promise<Echo> {
    const pty = spawn(ssh, [...options, '-tt', host, 'stty raw -echo; echo ready; exec cat'], {
      name: 'xterm-256color',
      cols: 80,
      rows: 24,
      cwd: '/',
      env: clientEnvironment({ TERM: 'xterm-256color' }),
    })
    const echo = new Echo(pty)
    await echo.#shown('ready')
    // What follows the word, and the line of Halligan's own, must not be taken for an echo.
    await pause(300)
    return echo
  }

  /** ms from a key to its echo. */
  key(): Promise<number> {
    return timed(async () => {
      const shown = this.#shown('k')
      this.#pty.write('k')
      await shown
    })
  }

  close(): void {
    this.#pty.kill('SIGKILL')
  }

  #shown(what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      let text = ''
      const timer = setTimeout(() => reject(new Error(`no ${what} on the screen: ${text}`)), ECHO_LIMIT_MS)
      this.#seen = (more) => {
        text += more
        if (!text.includes(what)) return
        clearTimeout(timer)
        this.#seen = () => {}
        resolve()
      }
    })
  }
}
