// How much is measured. `full` is what RESULTS.md shows; `quick` is for a look between two changes; `tiny` proves that the
// bench itself works, its figures mean nothing.

export interface Sizes {
  readonly rounds: number
  /** Of each pgbench run. */
  readonly seconds: number
  readonly scale: number
  /** Runs of pgbench: which statements, how they are sent, how many clients. */
  readonly loads: readonly {
    readonly script: 'select' | 'tpcb'
    readonly mode: 'simple' | 'prepared'
    readonly clients: number
  }[]
  readonly copyBytes: number
  readonly sshBytes: number
  readonly keystrokes: number
  readonly connects: number
  readonly idleSessions: number
  readonly journalSeconds: number
  readonly terminalBytes: number
  readonly searchEvents: number
  readonly syncs: number
}

const MIB = 1 << 20

const everyLoad = (['select', 'tpcb'] as const).flatMap((script) =>
  (['simple', 'prepared'] as const).flatMap((mode) => [1, 8, 16].map((clients) => ({ script, mode, clients }))),
)

export const sizes = {
  full: {
    rounds: 3,
    seconds: 2,
    scale: 16,
    loads: everyLoad,
    copyBytes: 256 * MIB,
    sshBytes: 256 * MIB,
    keystrokes: 1000,
    connects: 15,
    idleSessions: 200,
    journalSeconds: 3,
    terminalBytes: 64 * MIB,
    searchEvents: 1_000_000,
    syncs: 500,
  },
  quick: {
    rounds: 1,
    seconds: 1,
    scale: 2,
    loads: everyLoad.filter(({ mode, clients }) => mode === 'prepared' && clients <= 8),
    copyBytes: 32 * MIB,
    sshBytes: 64 * MIB,
    keystrokes: 150,
    connects: 3,
    idleSessions: 20,
    journalSeconds: 0.5,
    terminalBytes: 16 * MIB,
    searchEvents: 200_000,
    syncs: 200,
  },
  tiny: {
    rounds: 1,
    seconds: 1,
    scale: 1,
    loads: [{ script: 'select', mode: 'prepared', clients: 1 }],
    copyBytes: 2 * MIB,
    sshBytes: 2 * MIB,
    keystrokes: 5,
    connects: 1,
    idleSessions: 2,
    journalSeconds: 0.1,
    terminalBytes: MIB,
    searchEvents: 5_000,
    syncs: 5,
  },
} as const satisfies Record<string, Sizes>
