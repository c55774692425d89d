// What a command spoken over ssh is given. The tree itself lives in `cli/`; main.ts passes its function to `ssh/`.

import type { Identity } from '../identity/user.ts'

/** Runs one command as a person and gives its exit status (design §12). Never throws. */
export type RunCommand = (caller: Caller, argv: readonly string[], io: CommandIo) => Promise<number>

export interface Caller {
  readonly identity: Identity
  /** What the login named (`alice+app_readonly@orders`), if it named a target: its own name, known or not. */
  readonly target: string | undefined
  readonly account: string | undefined
}

export interface CommandIo {
  stdout(text: string): void
  stderr(text: string): void
  /**
   * Shows `prompt` on stderr and reads one line of at most 4 KiB from stdin; undefined at end of file. With a terminal,
   * `echo: false` hides what is typed.
   */
  ask(prompt: string, options?: { readonly echo?: boolean }): Promise<string | undefined>
  readonly isTerminal: boolean
  readonly columns: number
  /** Aborted when the channel is gone. */
  readonly signal: AbortSignal
}
