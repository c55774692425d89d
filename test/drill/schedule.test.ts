import { expect, test } from 'vitest'
import { Schedule, type ScheduledDrill } from '../../src/drill/schedule.ts'
import { alertsTo } from '../../src/procedure/alert.ts'
import type { DrillRun } from '../../src/session/state.ts'
import { ProcedureWorld } from '../procedure/world.ts'

const HOUR = 3_600_000
const weekly: ScheduledDrill = { name: 'weekly', everyMs: 7 * 24 * HOUR, stories: [] }

function scheduleOf(world: ProcedureWorld, drills: readonly ScheduledDrill[]): Schedule {
  return new Schedule({
    clock: world.clock,
    state: world.state,
    drills: () => drills,
    alerts: (type, payload) => alertsTo(['desk'], type, payload, world.clock.now()),
    nudge: () => undefined,
  })
}

async function ran(world: ProcedureWorld, name: string, cut: string | null = null): Promise<void> {
  const at = world.clock.now()
  const run: DrillRun = {
    id: `d${at}`,
    name,
    by: 'schedule',
    startedAt: at,
    endedAt: at,
    passed: 1,
    failed: 0,
    report: { cut },
  }
  await world.state.commit({ at, writes: [{ kind: 'drill-run', run }], leaves: [] })
}

const missed = (world: ProcedureWorld) => world.leaves('drill-missed')

test('a drill is due when its time has passed since it was first heard of, then since it was run', async () => {
  await using world = await ProcedureWorld.open()
  const schedule = scheduleOf(world, [weekly])
  expect(await schedule.tick()).toBeUndefined()
  world.clock.advance(weekly.everyMs - 1)
  expect(await schedule.tick()).toBeUndefined()
  world.clock.advance(1)
  expect(await schedule.tick()).toBe('weekly')
  await ran(world, 'weekly')
  expect(await schedule.tick()).toBeUndefined()
  world.clock.advance(weekly.everyMs)
  expect(await schedule.tick()).toBe('weekly')
  expect(await missed(world)).toEqual([])
})

test('a run of everything counts for every drill, a run that was cut for none', async () => {
  await using world = await ProcedureWorld.open()
  const schedule = scheduleOf(world, [weekly])
  await schedule.tick()
  world.clock.advance(weekly.everyMs)
  await ran(world, 'weekly', 'halligan stopped while it ran')
  expect(await schedule.tick()).toBe('weekly')
  await ran(world, 'everything')
  expect(await schedule.tick()).toBeUndefined()
})

test('one left undone is a leaf and an alert, once, and again only when it is missed again', async () => {
  await using world = await ProcedureWorld.open()
  const schedule = scheduleOf(world, [weekly])
  await schedule.tick()
  world.clock.advance(weekly.everyMs + HOUR)
  const dueAt = world.clock.now() - HOUR
  await schedule.tick()
  // A restart in between neither forgets nor alarms twice.
  await scheduleOf(world, [weekly]).tick()
  expect(await missed(world)).toEqual([expect.objectContaining({ name: 'weekly', dueAt })])
  expect(await world.state.alerts({ type: 'drill.missed', limit: 10 })).toHaveLength(1)
  expect(await schedule.standing()).toEqual([{ name: 'weekly', everyMs: weekly.everyMs, dueAt, isMissed: true }])
  await ran(world, 'weekly')
  await schedule.tick()
  expect((await schedule.standing())[0]?.isMissed).toBe(false)
  world.clock.advance(weekly.everyMs + HOUR)
  await schedule.tick()
  expect(await missed(world)).toHaveLength(2)
})

test('of several the one that is due for longest begins', async () => {
  await using world = await ProcedureWorld.open()
  const daily: ScheduledDrill = { name: 'daily', everyMs: 24 * HOUR, stories: ['alert'] }
  const schedule = scheduleOf(world, [weekly, daily])
  await schedule.tick()
  world.clock.advance(weekly.everyMs)
  expect(await schedule.tick()).toBe('daily')
  await ran(world, 'daily')
  expect(await schedule.tick()).toBe('weekly')
})

test('a clock that was set back makes nothing due', async () => {
  await using world = await ProcedureWorld.open()
  const schedule = scheduleOf(world, [weekly])
  await schedule.tick()
  world.clock.step(-30 * 24 * HOUR)
  expect(await schedule.tick()).toBeUndefined()
  expect(await missed(world)).toEqual([])
})
