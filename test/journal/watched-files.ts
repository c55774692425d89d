import { type FileSystem, systemFiles } from '../../src/journal/file-port.ts'

export type Call = keyof FileSystem

/** The machine's files, every call heard before it is done: `hear` may throw instead, as a failing disk does. */
export function watchedFiles(hear: (call: Call, args: readonly unknown[]) => void): FileSystem {
  const files = systemFiles()
  const watch = <Args extends readonly unknown[], Result>(call: Call, run: (...args: Args) => Result) => {
    return (...args: Args): Result => {
      hear(call, args)
      return run(...args)
    }
  }
  return {
    open: watch('open', files.open),
    write: watch('write', files.write),
    read: watch('read', files.read),
    size: watch('size', files.size),
    datasync: watch('datasync', files.datasync),
    sync: watch('sync', files.sync),
    close: watch('close', files.close),
    rename: watch('rename', files.rename),
    unlink: watch('unlink', files.unlink),
    list: watch('list', files.list),
    makeDirectory: watch('makeDirectory', files.makeDirectory),
  }
}

/** What a system says when a call fails. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code })
}
