// `npm run dev`: the program, started again whenever a source changes. Not `node --watch`, whose own messages reach the
// workers' ports and are no part of what these speak.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { resolve } from 'node:path'

/** An editor saves in several steps, and a branch switch changes many files. */
const SETTLE_MS = 300

const source = resolve(import.meta.dirname, '../src')
let child = start()
let timer: NodeJS.Timeout | undefined
let isStopping = false

function start(): ChildProcess {
  // The channel tells the program when we are gone, however we went.
  return spawn(process.execPath, [resolve(source, 'main.ts'), ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  })
}

async function end(): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

async function restart(): Promise<void> {
  await end()
  if (isStopping) return
  process.stderr.write('halligan: a source has changed, starting again\n')
  child = start()
}

const watching = watch(source, { recursive: true }, () => {
  clearTimeout(timer)
  timer = setTimeout(() => void restart(), SETTLE_MS)
})

function stop(): void {
  if (isStopping) return
  isStopping = true
  clearTimeout(timer)
  watching.close()
  void end().then(() => process.channel?.unref())
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
process.on('disconnect', stop)
process.channel?.unref()
