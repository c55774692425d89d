// Plays a story in a world, step by step, and writes down what was expected and what came. After the first step that is
// not as it must be nothing more is tried: what follows would prove nothing.

import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import type { Attempted, Step, Story } from './step.ts'
import type { Figure, Outcome, World } from './world.ts'

export interface StepResult {
  readonly line: number
  readonly text: string
  readonly expected: string
  readonly actual: string
  readonly outcome: 'as-expected' | 'not-as-expected' | 'not-reached'
  readonly ms: number
}

export interface StoryResult {
  readonly title: string
  readonly proves: readonly string[]
  readonly passed: boolean
  readonly steps: readonly StepResult[]
  readonly figures: readonly Figure[]
}

/** Plays it to its end or its first failure. Never throws; the world is closed in any case. */
export async function runStory(story: Story, world: World, clock: Clock, signal: AbortSignal): Promise<StoryResult> {
  const steps: StepResult[] = []
  const figures: Figure[] = []
  let isOver = false
  for (const step of story.steps) {
    if (isOver) {
      steps.push({ ...blank(step), actual: '', outcome: 'not-reached', ms: 0 })
      continue
    }
    const startUs = clock.monotonicUs()
    const outcome = signal.aborted ? cut() : await performed(step, world)
    if (outcome.figure !== undefined) figures.push(outcome.figure)
    isOver = !isAsExpected(step, outcome)
    steps.push({
      ...blank(step),
      actual: actualOf(outcome),
      outcome: isOver ? 'not-as-expected' : 'as-expected',
      ms: Math.round((clock.monotonicUs() - startUs) / 1000),
    })
  }
  try {
    await world.close()
  } catch (error) {
    isOver = true
    steps.push({
      line: story.steps.at(-1)?.line ?? 0,
      text: '(the stage is cleared)',
      expected: 'nothing is left behind',
      actual: describe(error),
      outcome: 'not-as-expected',
      ms: 0,
    })
  }
  return { title: story.title, proves: story.proves, passed: !isOver, steps, figures }
}

function blank(step: Step): Pick<StepResult, 'line' | 'text' | 'expected'> {
  return { line: step.line, text: step.text, expected: step.expected === null ? 'so' : words(step.expected) }
}

async function performed(step: Step, world: World): Promise<Outcome> {
  try {
    return await world.perform(step.action)
  } catch (error) {
    return { kind: 'not-so', detail: describe(error) }
  }
}

function cut(): Outcome {
  return { kind: 'not-so', detail: 'the run took too long and was ended' }
}

function describe(error: unknown): string {
  if (error instanceof HalliganError) return error.describe()
  return error instanceof Error ? error.message : String(error)
}

function isAsExpected(step: Step, outcome: Outcome): boolean {
  if (step.expected === null) return outcome.kind === 'so'
  return outcome.kind === 'attempted' && words(outcome.attempted) === words(step.expected)
}

function actualOf(outcome: Outcome): string {
  if (outcome.kind !== 'attempted') return outcome.detail
  const said = words(outcome.attempted)
  return outcome.detail === '' ? said : `${said} (${outcome.detail})`
}

function words(attempted: Attempted | { readonly kind: 'unexpected' }): string {
  switch (attempted.kind) {
    case 'done':
      return 'done'
    case 'waiting':
      return 'waiting for approval'
    case 'refused':
      return `refused: ${attempted.why}`
    case 'unexpected':
      return 'something else'
  }
}
