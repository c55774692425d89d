// What a story can do only in tests: move the clock, fill the disk, break the channel, press the red button, vouch, and
// look at a recording in the page.
import type { Actor } from '../../src/drill/actor.ts'
import type { Stage, StagePorts } from '../../src/drill/stage.ts'
import type { Action, Player } from '../../src/drill/step.ts'
import type { Outcome } from '../../src/drill/world.ts'
import type { House } from './house.ts'

export function beyond(house: House, actor: (player: Player) => Actor): StagePorts['beyond'] {
  let vouched: string | undefined
  return async (action: Action, stage: Stage): Promise<Outcome> => {
    switch (action.kind) {
      case 'time':
        house.clock.advance(action.byMs)
        await settled(house)
        return so(`it is ${new Date(house.clock.now()).toISOString()}`)
      case 'disk-full':
        stage.ends()
        house.isDiskFull = true
        return so('nothing more becomes durable')
      case 'channel':
        house.bell.answer((response) => {
          response.statusCode = action.is === 'silent' ? 503 : 200
          response.end()
        })
        return so(`the channel is ${action.is}`)
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
        return { kind: 'attempted', attempted: { kind: 'done' }, detail: '' }
      }
      case 'bypass': {
        if (vouched === undefined) return { kind: 'not-so', detail: 'nobody has vouched' }
        actor(action.who).hold(vouched)
        const { who, place, reason } = action
        return stage.perform({ kind: 'break-glass', who, place, forMs: null, reason })
      }
      case 'watch':
        return watch(house, stage, action.who)
      default:
        throw new Error(`no test does ${action.kind}`)
    }
  }
}

function scope(what: Player | 'everything'): string[] {
  return what === 'everything' ? ['--all'] : ['user', what]
}

function so(detail: string): Outcome {
  return { kind: 'so', detail }
}

/** What the clock set off is written: a commit of ours waits behind it. */
async function settled({ bastion, clock }: House): Promise<void> {
  for (let round = 0; round < 20; round++) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    await bastion.state.commit({ at: clock.now(), writes: [], leaves: [] })
  }
}

/** Signs in with a one-time link and reads every recording of the grant, as the page does. */
async function watch(house: House, stage: Stage, who: Player): Promise<Outcome> {
  const link = await stage.printed(who, ['web'])
  const token = /#once=([\w-]+)/.exec(link)?.[1]
  const { url } = house.bastion.web
  const redeemed = await fetch(`${url}/api/links/redeem`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: new URL(url).origin },
    body: JSON.stringify({ token }),
  })
  const cookie = redeemed.headers.getSetCookie()[0]?.split(';')[0] ?? ''
  for (const { id } of await house.bastion.state.sessions({ grant: stage.grant?.id ?? '' })) {
    const answer = await fetch(`${url}/api/sessions/${id}/lines`, { headers: { cookie } })
    const lines = await answer.text()
    if (answer.status !== 200) return { kind: 'not-so', detail: lines }
  }
  return { kind: 'attempted', attempted: { kind: 'done' }, detail: 'read in the page' }
}
