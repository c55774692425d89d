// What is kept of a run. Pure: the same run gives the same bytes, and their hash is in the ledger.

import type { DrillFigures, DrillReport, DrillStory } from '../procedure/drill.ts'
import type { Readiness } from '../procedure/readiness.ts'
import type { DrillRun } from '../session/state.ts'
import type { Figure } from './world.ts'

/** A run that was cut has failed, whatever had passed by then. */
export function reportOf(
  run: DrillRun,
  stories: readonly DrillStory[],
  readiness: Readiness,
  endedAt: number,
  cut: string | null,
  figures: readonly Figure[] = [],
): DrillReport {
  const count = (outcome: DrillStory['outcome']): number => stories.filter((story) => story.outcome === outcome).length
  const failed = count('failed')
  return {
    version: 1,
    drill: run.id,
    name: run.name,
    by: run.by,
    startedAt: run.startedAt,
    endedAt,
    passed: count('passed'),
    failed: cut === null ? failed : Math.max(1, failed),
    leftOut: count('left-out'),
    cut,
    figures: figuresOf(figures),
    stories,
    readiness,
  }
}

function figuresOf(figures: readonly Figure[]): DrillFigures {
  const slowest = (what: Figure['what']): number | null => {
    const times = figures.filter((figure) => figure.what === what).map(({ ms }) => ms)
    return times.length === 0 ? null : Math.max(...times)
  }
  return { accessMs: slowest('access'), alertMs: slowest('alert'), killMs: slowest('kill') }
}
