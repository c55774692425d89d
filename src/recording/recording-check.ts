// One recording against its seal: is it there, under its name, and byte for byte what was sealed?
import { readContent } from './content.ts'
import { contentRoot, type FrameDigest } from './content-tree.ts'
import { judgeContent, type Known } from './content-judgement.ts'
import type { FindingCode, Place } from './finding.ts'
import type { SealLeaf } from './seal-leaf.ts'

/** A file as an archive hands it in. It may be read more than once. */
export type StoredFile =
  | { readonly kind: 'file'; readonly read: () => AsyncIterable<Uint8Array> }
  /** `why`: `not there`, `a directory`, `a symbolic link`. */
  | { readonly kind: 'absent'; readonly why: string }

export interface RecordingFault {
  readonly code: FindingCode
  readonly detail: string
  readonly place?: Place
}

/**
 * Everything that is wrong with the recording `name` (a path with `/`) beside `seal`. `sealedElsewhere` gives the session
 * whose seal has this SHA-256, so that exchanged files are told apart from altered ones.
 */
export async function checkRecording(
  name: string,
  file: StoredFile,
  seal: SealLeaf,
  known: Known,
  sealedElsewhere: (sha256: string) => string | undefined,
): Promise<RecordingFault[]> {
  const faults = isNamed(name, seal) ? [] : [{ code: 'wrong_name', detail: `its seal names it ${seal.file}` } as const]
  if (file.kind === 'absent') return [...faults, { code: 'missing', detail: `the recording is ${file.why}` }]
  const facts = await readContent(file.read())
  if (facts.failure !== undefined)
    return [...faults, { code: 'missing', detail: `the recording cannot be read: ${facts.failure.message}` }]
  const other = sealedElsewhere(facts.sha256)
  if (other !== undefined && other !== seal.session && facts.sha256 !== seal.sha256)
    return [...faults, { code: 'wrong_name', detail: `it holds the recording of session ${other}` }]
  const fault = await judgeContent(file.read, facts, seal, known)
  if (fault !== undefined) return [...faults, fault]
  return areSameFrames(facts.digests, known.frames) ? faults : [...faults, misnumbered]
}

const misnumbered: RecordingFault = {
  code: 'container_altered',
  detail: 'its proof numbers or times the events otherwise than the recording does',
}

/** Roots of frames are sealed; how many lines each has, and when it ends, only the recording itself shows. */
function areSameFrames(held: readonly FrameDigest[], said: readonly FrameDigest[] | undefined): boolean {
  // Another seal's proof has been named already.
  if (said === undefined || !contentRoot(said).equals(contentRoot(held))) return true
  return held.every(({ lines, endMs }, at) => said[at]?.lines === lines && said[at]?.endMs === endMs)
}

/** Copies may lie in other folders, but not under another session's name. */
function isNamed(name: string, { session, file }: SealLeaf): boolean {
  const base = `/${session}.cast.zst`
  return `/${name}`.endsWith(base) && `/${file}`.endsWith(base)
}
