// What a story can do only in tests: move the clock, fill the disk, break the store or the channel, change the
// configuration, press the red button, vouch, use the page.
import type { Actor } from '../../src/drill/actor.ts'
import { awaited } from '../../src/drill/evidence.ts'
import type { Scene, Stage, StagePorts } from '../../src/drill/stage.ts'
import type { Beyond, Place, Player } from '../../src/drill/step.ts'
import type { Outcome } from '../../src/drill/world.ts'
import { HalliganError } from '../../src/errors.ts'
import { approveByLink, outcomeOf, strangerApproves } from './alert-link.ts'
import type { Written } from './configuration.ts'
import type { House } from './house.ts'
import { Page } from './page.ts'
import { breakStore, keepStoreBusy } from './store-fault.ts'

export function beyond(
  house: House,
  actor: (player: Player) => Actor,
  scene: (place: Place) => Scene,
): StagePorts['beyond'] {
  let vouched: string | undefined
  /** One browser a person: signed in when it is first used. */
  const pages = new Map<Player, Page>()
  const pageOf = async (stage: Stage, who: Player): Promise<Page> => {
    const page = pages.get(who) ?? (await Page.signedIn(house, stage, who))
    pages.set(who, page)
    return page
  }
  return async (action: Beyond, stage: Stage): Promise<Outcome> => {
    switch (action.kind) {
      case 'time':
        house.clock.advance(action.byMs)
        stage.ends()
        // A code that was given in a page counts for some minutes only.
        pages.clear()
        await settled(house)
        return so(`it is ${new Date(house.clock.now()).toISOString()}`)
      case 'clock-set':
        stage.ends()
        house.clock.step(action.to === 'back' ? -action.byMs : action.byMs)
        return so(`the wall clock says ${new Date(house.clock.now()).toISOString()}`)
      case 'disk-full':
        stage.ends()
        house.isDiskFull = true
        return so('nothing more becomes durable')
      case 'store-busy':
        keepStoreBusy(house, action.forMs)
        return so('another program writes to it')
      case 'store':
        breakStore(house, action.is === 'fails')
        return so(`the store ${action.is}`)
      case 'channel':
        return answering(house, action.is)
      case 'nothing-inside-asked': {
        const asked = house.elsewhere.received.length
        return asked === 0 ? so('not one request') : notSo(`${asked} requests came in`)
      }
      case 'alerts-elsewhere':
        await house.reconfigure((written) => sendingAlertsTo(written, house.elsewhereUrl))
        return so('the configuration is in force')
      case 'old-channel-hears': {
        const heard = await awaited(house.clock, action.withinMs, async () =>
          house.bell.received.find(({ body }) => body.includes(`"type":"${action.alert}"`)),
        )
        return heard === undefined ? notSo('it heard nothing of it') : so('it was told')
      }
      case 'point-at':
        return pointAt(house, action.what, action.url)
      case 'strike':
        stage.ends()
        await house.reconfigure((written) => without(written, action.whom, action.from))
        return so('the configuration is in force')
      case 'lock':
        stage.ends()
        return stage.command(action.who, ['lock', ...scope(action.what), '--reason', action.reason])
      case 'unlock':
        return stage.command(action.who, ['unlock', ...scope(action.what), '--reason', action.reason])
      case 'rehearse':
        return stage.command(action.who, ['drill', 'run', action.drill])
      case 'vouch': {
        const words = ['bypass', action.forWhom, '--reason', action.reason]
        try {
          vouched = (await stage.printed(action.who, words)).trim()
        } catch {
          // The refusal is what the story is about: it is asked for once more, and read.
          return stage.command(action.who, words)
        }
        return done('')
      }
      case 'bypass': {
        if (vouched === undefined) return notSo('nobody has vouched')
        actor(action.who).hold(vouched)
        const { who, place, reason } = action
        return stage.perform({ kind: 'break-glass', who, place, forMs: null, reason })
      }
      case 'watch':
        return watch(house, stage, await pageOf(stage, action.who))
      case 'follow-link':
        return approveByLink(house, await pageOf(stage, action.who), actor(action.who), action.by)
      case 'stranger-follows-link':
        return strangerApproves(house)
      case 'click-twice': {
        const page = await pageOf(stage, action.who)
        await page.stepUp(actor(action.who))
        return clickTwice(house, stage, action, page, scene(action.place))
      }
    }
  }
}

function scope(what: Player | 'everything'): string[] {
  return what === 'everything' ? ['--all'] : ['user', what]
}

function so(detail: string): Outcome {
  return { kind: 'so', detail }
}

function notSo(detail: string): Outcome {
  return { kind: 'not-so', detail }
}

function done(detail: string): Outcome {
  return { kind: 'attempted', attempted: { kind: 'done' }, detail }
}

/** What the clock set off is written: a commit of ours waits behind it. */
async function settled({ bastion, clock }: House): Promise<void> {
  for (let round = 0; round < 20; round++) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    await bastion.state.commit({ at: clock.now(), writes: [], leaves: [] })
  }
}

function answering(house: House, is: Extract<Beyond, { kind: 'channel' }>['is']): Outcome {
  house.bell.answer((response) => {
    if (is === 'redirecting inside') response.setHeader('location', house.elsewhereUrl)
    response.statusCode = { silent: 503, back: 200, 'redirecting inside': 307 }[is]
    response.end()
  })
  return so(`the channel is ${is}`)
}

function sendingAlertsTo(written: Written, url: string): Written {
  return { ...written, channels: written.channels.map((channel) => ({ ...channel, url })) }
}

/** A check that asks there, whoever may use it: refused as the file is read. */
function askingAt(written: Written, url: string): Written {
  return { ...written, checks: [{ name: 'incident', kind: 'http-json', url, path: 'status', equals: 'open' }] }
}

async function pointAt(house: House, what: 'alerts' | 'checks', url: string): Promise<Outcome> {
  try {
    await house.reconfigure((written) => (what === 'alerts' ? sendingAlertsTo(written, url) : askingAt(written, url)))
    return done('the configuration is in force')
  } catch (error) {
    if (!(error instanceof HalliganError) || error.code !== 'config_invalid') throw error
    return { kind: 'attempted', attempted: { kind: 'refused', why: 'bad configuration' }, detail: error.message }
  }
}

function without(written: Written, whom: Player, from: 'the configuration' | 'every group'): Written {
  const { users } = written
  return {
    ...written,
    users:
      from === 'the configuration'
        ? users.filter(({ name }) => name !== whom)
        : users.map((user) => (user.name === whom ? { ...user, groups: [] } : user)),
  }
}

/** Reads every recording of the grant in the page. */
async function watch(house: House, stage: Stage, page: Page): Promise<Outcome> {
  for (const { id } of await house.bastion.state.sessions({ grant: stage.grant?.id ?? '' })) {
    const { status, text } = await page.get(`/api/sessions/${id}/lines`)
    if (status !== 200) return notSo(text)
  }
  return done('read in the page')
}

/** Presses the button of the page twice, then asks once more over ssh: all three are one request. */
async function clickTwice(
  house: House,
  stage: Stage,
  { who, place, reason }: Extract<Beyond, { kind: 'click-twice' }>,
  page: Page,
  { target, account, trigger }: Scene,
): Promise<Outcome> {
  const ask = { target, account, reason, ...(trigger === null ? {} : { trigger }) }
  const clicks = await Promise.all([1, 2].map(() => page.post('/api/requests', ask)))
  const refused = clicks.find(({ status }) => status !== 200)
  if (refused !== undefined) return outcomeOf(refused)
  const over = await stage.perform({ kind: 'break-glass', who, place, forMs: null, reason })
  const grants = await house.bastion.state.grants({ user: who })
  return grants.length === 1 ? over : notSo(`${grants.length} grants came of it`)
}
