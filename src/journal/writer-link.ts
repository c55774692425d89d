// The way to the writer: a worker thread, or for tests a port in this thread.

import { MessageChannel, Worker } from 'node:worker_threads'
import type { FileSystem } from './file-port.ts'
import type { FromWriter, ToWriter, WriterSetup } from './messages.ts'
import { serveWriter } from './writer-port.ts'

export interface WriterLink {
  /** The one listener, replaced by each call. A thread that dies says `failed`. */
  listen(listener: (message: FromWriter) => void): void
  post(message: ToWriter, handedOver: readonly ArrayBuffer[]): void
  /** Resolves when the writer is gone. */
  readonly ended: Promise<void>
  hasEnded(): boolean
}

/** Starts the journal's thread. It keeps the process alive until closed. */
export function writerInWorker(setup: WriterSetup): WriterLink {
  const worker = new Worker(new URL('./journal-worker.ts', import.meta.url), { name: 'journal', workerData: setup })
  let listener: (message: FromWriter) => void = () => {}
  let hasEnded = false
  const died = (message: string): void => listener({ kind: 'failed', message, system: '' })
  worker.on('message', (message: FromWriter) => listener(message))
  worker.on('error', (error) => died(`the journal's thread died: ${String(error)}`))
  const ended = new Promise<void>((resolve) => {
    worker.once('exit', () => {
      hasEnded = true
      died("the journal's thread has ended")
      resolve()
    })
  })
  return {
    listen: (next) => {
      listener = next
    },
    post: (message, handedOver) => worker.postMessage(message, [...handedOver]),
    ended,
    hasEnded: () => hasEnded,
  }
}

/** The same writer behind the same messages, in this thread and on these files. */
export function writerInThisThread(setup: WriterSetup, files: FileSystem): WriterLink {
  const { port1: here, port2: there } = new MessageChannel()
  let listener: (message: FromWriter) => void = () => {}
  let hasEnded = false
  here.on('message', (message: FromWriter) => listener(message))
  const ended = new Promise<void>((resolve) => {
    here.once('close', () => {
      hasEnded = true
      resolve()
    })
  })
  serveWriter(there, files, setup)
  return {
    listen: (next) => {
      listener = next
    },
    post: (message, handedOver) => here.postMessage(message, [...handedOver]),
    ended,
    hasEnded: () => hasEnded,
  }
}
