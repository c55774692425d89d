// The garbage collector, told what this program does: it moves bulk, in buffers outside V8's heap that live for moments.

import { setFlagsFromString } from 'node:v8'

/**
 * Has V8 weigh buffers together with its own heap. Left alone it marks the whole heap after every 32 MiB of buffers or so,
 * however quickly they go: half of the CPU time of a COPY, and pauses that people who type feel. Measured with
 * bench/copies.ts: 40 % less CPU for each GiB, and the same memory at its highest. For this process and all its threads;
 * called once, before anything else runs.
 */
export function tuneCollector(): void {
  setFlagsFromString('--external-memory-accounted-in-global-limit')
}
