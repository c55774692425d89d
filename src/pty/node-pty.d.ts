// The alias `node-pty` carries the types of another package name; these are the parts used here, with the types that
// hold when `encoding` is null: bytes in, bytes out.
declare module 'node-pty' {
  export interface PtyOptions {
    /** Value for TERM. */
    readonly name?: string
    readonly cols?: number
    readonly rows?: number
    readonly cwd?: string
    readonly env?: Readonly<Record<string, string | undefined>>
    /** null: data comes as bytes. */
    readonly encoding?: string | null
    readonly uid?: number
    readonly gid?: number
  }

  export interface IDisposable {
    dispose(): void
  }

  export interface IPty {
    readonly pid: number
    readonly cols: number
    readonly rows: number
    /** A string unless `encoding` is null. */
    onData(listener: (data: string) => void): IDisposable
    onExit(listener: (exit: { readonly exitCode: number; readonly signal?: number }) => void): IDisposable
    write(data: string | Buffer): void
    resize(columns: number, rows: number): void
    kill(signal?: string): void
    pause(): void
    resume(): void
  }

  export function spawn(file: string, args: readonly string[], options: PtyOptions): IPty
}
