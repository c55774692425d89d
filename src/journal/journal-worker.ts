// The journal's thread.
import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../errors.ts'
import { systemFiles } from './file-port.ts'
import type { WriterSetup } from './messages.ts'
import { serveWriter } from './writer-port.ts'

assert(parentPort !== null, 'the journal worker runs as a worker')
serveWriter(parentPort, systemFiles(), workerData as WriterSetup)
