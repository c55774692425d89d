// The link in an alert, as somebody uses it who has it: on a phone, forwarded, found, guessed, twice.
import type { Actor } from '../../src/drill/actor.ts'
import type { LinkUse } from '../../src/drill/step.ts'
import type { Outcome } from '../../src/drill/world.ts'
import type { House } from './house.ts'
import { type Answer, Page, refusalOfAnswer } from './page.ts'

/** Opens the link of the newest alert that asks for an approval, and presses the button. */
export async function approveByLink(house: House, page: Page, actor: Actor, by: LinkUse): Promise<Outcome> {
  if (by !== "the alert's link with no code") await page.stepUp(actor)
  else if (page.hasStepUp) throw new Error(`${actor.name} has given a code already in this story`)
  const told = linkOf(house)
  const path = by === 'a guessed link' ? guessed(told) : told
  await page.get(path)
  if (by === "the alert's link twice at once") return twice(page, path)
  const looked = await page.get(`/api${path}`)
  const answer = await page.post(`/api${path}/approve`, {})
  // What may not be decided on because it does not exist for this person may not be looked at either.
  if (answer.status === 404 && looked.status !== 404) return { kind: 'not-so', detail: 'it could be looked at' }
  return outcomeOf(answer)
}

/** The same by somebody who is not signed in: the page opens, and holds nothing. */
export async function strangerApproves(house: House): Promise<Outcome> {
  const page = Page.strangers(house)
  const path = linkOf(house)
  const opened = await page.get(path)
  const looked = await page.get(`/api${path}`)
  if (looked.status !== 401 || opened.text.includes('alice')) return { kind: 'not-so', detail: 'it could be looked at' }
  return outcomeOf(await page.post(`/api${path}/approve`, {}))
}

/** Two presses: one decides, the other is told that it is decided. */
async function twice(page: Page, path: string): Promise<Outcome> {
  const both = await Promise.all([1, 2].map(() => page.post(`/api${path}/approve`, {})))
  const statuses = both.map(({ status }) => status).toSorted((a, b) => a - b)
  return statuses.join(' ') === '200 409'
    ? { kind: 'attempted', attempted: { kind: 'done' }, detail: 'one press decided' }
    : { kind: 'not-so', detail: `the presses were answered with ${statuses.join(' and ')}` }
}

/** The path of the newest link that the alert channel got with a request. */
function linkOf({ bell }: House): string {
  for (const { body } of bell.received.toReversed()) {
    const { type, data } = JSON.parse(body.toString()) as { type: string; data: { url?: string } }
    if (type === 'grant.requested' && data.url !== undefined) return new URL(data.url).pathname
  }
  throw new Error('the alert channel got no link')
}

function guessed(path: string): string {
  const last = path.at(-1) === 'a' ? 'b' : 'a'
  return path.slice(0, -1) + last
}

export function outcomeOf(answer: Answer): Outcome {
  if (answer.status === 200) return { kind: 'attempted', attempted: { kind: 'done' }, detail: 'by the page' }
  const why = refusalOfAnswer(answer)
  return {
    kind: 'attempted',
    attempted: why === undefined ? { kind: 'unexpected' } : { kind: 'refused', why },
    detail: `${answer.status}: ${answer.body.title}`,
  }
}
