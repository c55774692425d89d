// The side towards the target, as a relay sees it: a program with input, output, errors, a size and an end. SSH servers
// and commands on a PTY both look like this. Flow is by credit: nobody buffers more than what was not yet acknowledged.

import type { Admission } from './admission.ts'

/** What runs on the target. */
export interface Program {
  readonly start:
    | { readonly kind: 'shell' }
    | { readonly kind: 'exec'; readonly command: Buffer }
    | { readonly kind: 'subsystem'; readonly name: string }
  /** Undefined: no terminal, plain pipes. */
  readonly terminal: ProgramTerminal | undefined
  readonly environment: readonly (readonly [name: string, value: Buffer])[]
}

export interface ProgramTerminal extends WindowSize {
  /** Value for TERM. */
  readonly type: string
  /** Encoded terminal modes of RFC 4254 §8, as the client sent them. */
  readonly modes: Buffer
}

export interface WindowSize {
  readonly cols: number
  readonly rows: number
  readonly widthPx: number
  readonly heightPx: number
}

/** What a program tells. Set before it starts; `closed` comes last, once, after all output. */
export interface UpstreamListener {
  /** `o` output, `e` errors. `Upstream.taken` gives the room back. */
  output(stream: 'o' | 'e', bytes: Buffer): void
  /** No more output will come. */
  outputEnded(): void
  exit(exit: ProgramExit): void
  closed(): void
}

export type ProgramExit =
  | { readonly kind: 'status'; readonly status: number }
  /** RFC 4254 §6.10: the name without `SIG`. */
  | { readonly kind: 'signal'; readonly name: string; readonly coreDumped: boolean; readonly message: string }

export interface Upstream {
  /** Sends input in order; `done` is called when it has left. */
  write(bytes: Buffer, done: () => void): void
  /** No more input. */
  end(): void
  /** This many bytes of output have gone on and make room for more. */
  taken(count: number): void
  resize(size: WindowSize): void
  /** RFC 4254 §6.9: the name without `SIG`. */
  signal(name: string): void
  /** RFC 4335. False: this program has no line to break. */
  break(lengthMs: number): boolean
  /** Nobody reads the output any more: the program's next write fails, or it is ended where that cannot be told. */
  refuseOutput(): void
  /** Ends it at once; `closed` follows. */
  close(): void
}

/**
 * Starts a program on the admission's target; resolves when it runs. Throws `unreachable`, `host_key_mismatch`, and the
 * admission's own end when that comes first. Listener calls may come before it resolves.
 */
export type Dial = (admission: Admission, program: Program, listener: UpstreamListener) => Promise<Upstream>
