// Whether the places that keep checkpoints do: what the state knows of each, and what those that can be read say. Nothing is
// sent: an older checkpoint than the one a place holds would only confuse it.

import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import type { AnchorPlace, AnchorRecord } from '../procedure/anchor-record.ts'
import { ageText } from './anchored-text.ts'
import { fail, ok, warn, type Finding } from './doctor-finding.ts'

const readMs = 5_000

/** `recordOf`: what the state keeps of a place; undefined: nothing. */
export async function anchorFindings(
  places: readonly AnchorPlace[],
  recordOf: (name: string) => AnchorRecord | undefined,
  clock: Clock,
): Promise<readonly Finding[]> {
  const findings = await Promise.all(places.map((place) => anchorFinding(place, recordOf(place.anchor.name), clock)))
  if (places.some(({ anchor }) => anchor.outside)) return findings
  const hint = 'name one that ends on another machine under `anchors`'
  const what = 'no place outside keeps checkpoints: what happened last can be cut off unseen'
  return [...findings, warn('anchors', what, hint)]
}

async function anchorFinding(
  { anchor, everyMs }: AnchorPlace,
  record: AnchorRecord | undefined,
  clock: Clock,
): Promise<Finding> {
  const subject = `anchor ${anchor.name}`
  if (record !== undefined && record.contradicted !== null)
    return fail(subject, 'it held a checkpoint that this ledger does not contain', 'run halligan verify --all with it')
  if (record !== undefined && record.failingSince !== null)
    return fail(subject, `it has failed for ${ageText(clock.now() - record.failingSince)}`, 'the log has its answers')
  const unread = await unreadable(anchor, clock)
  if (unread !== undefined) return fail(subject, unread, 'mend it: nothing new is proven outside until then')
  if (record === undefined || record.acknowledged === null)
    return warn(subject, 'it has taken no checkpoint yet; it is asked when Halligan runs')
  const { size, at } = record.acknowledged
  return ok(
    subject,
    `has ${size} leaves, of ${ageText(clock.now() - at)} ago; asked every ${ageText(everyMs)} while they grow`,
  )
}

async function unreadable(anchor: AnchorPlace['anchor'], clock: Clock): Promise<string | undefined> {
  if (anchor.read === undefined) return undefined
  const giveUp = new AbortController()
  const timer = clock.after(readMs, () => giveUp.abort())
  try {
    await anchor.read(giveUp.signal)
    return undefined
  } catch (error) {
    return error instanceof HalliganError ? error.message : 'it cannot be read'
  } finally {
    timer.cancel()
  }
}
