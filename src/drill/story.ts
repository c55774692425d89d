// Reads a story: title, the promises it proves, then one step a line. Any text gives a story or an error with its line.

import { tokens, type Token } from './phrase.ts'
import { drillPlayers, type Action, type Attempted, type Step, type Story } from './step.ts'
import { expectations, verbs, type Verb, type WorldKind } from './verb.ts'

/** A story is read by people: a page or two. */
const MAX_LINES = 200
const MAX_LINE_LENGTH = 400
const MAX_STEPS = 60

export type ParsedStory =
  | { readonly kind: 'story'; readonly story: Story }
  | { readonly kind: 'error'; readonly line: number; readonly message: string; readonly hint: string | undefined }

/**
 * Parses a story for a world. In a drill a verb or a person that only tests have is an error at its line. Never throws.
 */
export function parseStory(text: string, world: WorldKind): ParsedStory {
  try {
    return { kind: 'story', story: read(text, world) }
  } catch (error) {
    if (!(error instanceof StoryError)) throw error
    return { kind: 'error', line: error.line, message: error.message, hint: error.hint }
  }
}

class StoryError extends Error {
  readonly line: number
  readonly hint: string | undefined

  constructor(line: number, message: string, hint?: string) {
    super(message)
    this.line = line
    this.hint = hint
  }
}

interface Line {
  readonly number: number
  readonly text: string
}

function read(text: string, world: WorldKind): Story {
  const lines = linesOf(text)
  const [first, second, ...rest] = lines
  const title = /^story: (\S.*)$/.exec(first?.text ?? '')?.[1]
  if (title === undefined) throw new StoryError(first?.number ?? 1, 'a story begins with its title', 'story: TITLE')
  const proves = /^proves: (P\d{1,2}(?:, P\d{1,2})*)$/.exec(second?.text ?? '')?.[1]?.split(', ')
  if (proves === undefined)
    throw new StoryError(second?.number ?? first?.number ?? 1, 'behind the title stands what it proves', 'proves: P4')
  const steps: Step[] = []
  for (const line of rest) addLine(steps, line, world)
  if (steps.length === 0) throw new StoryError(lines.at(-1)?.number ?? 1, 'nothing happens in this story')
  return { title, proves, steps }
}

function linesOf(text: string): Line[] {
  const all = text.split(/\r?\n/)
  if (all.length > MAX_LINES) throw new StoryError(MAX_LINES + 1, `a story has at most ${MAX_LINES} lines`)
  return all
    .map((line, index) => ({ number: index + 1, text: line.trim() }))
    .filter((line) => {
      if (line.text.length > MAX_LINE_LENGTH)
        throw new StoryError(line.number, `the line has ${line.text.length} characters, at most ${MAX_LINE_LENGTH}`)
      // What an auditor reads must be what is there.
      if (/[\p{C}]/u.test(line.text.replaceAll('\t', ' ')))
        throw new StoryError(line.number, 'the line holds a control or invisible character')
      return line.text !== '' && !line.text.startsWith('#')
    })
}

function addLine(steps: Step[], line: Line, world: WorldKind): void {
  const words = tokens(line.text)
  if (typeof words === 'string') throw new StoryError(line.number, words)
  if (words[0]?.kind === 'word' && words[0].text === 'expect') return expect(steps, line, words)
  const verb = verbs.find(({ fits }) => fits(words) !== undefined)
  const action = verb?.fits(words)
  if (verb === undefined || action === undefined)
    throw new StoryError(line.number, `no verb says "${line.text}"`, nearest(words))
  if (world === 'drill') refuseInDrill(line, verb, action)
  if (steps.length === MAX_STEPS) throw new StoryError(line.number, `a story has at most ${MAX_STEPS} steps`)
  const expected: Attempted | null = verb.isAttempt ? { kind: 'done' } : null
  steps.push({ line: line.number, text: line.text, action, expected })
}

/** An expectation belongs to the attempt right above it. */
function expect(steps: Step[], line: Line, words: readonly Token[]): void {
  const step = steps.at(-1)
  if (step === undefined || step.expected === null)
    throw new StoryError(line.number, 'an expectation stands behind something that somebody tries')
  if (step.expected.kind !== 'done') throw new StoryError(line.number, 'the step above has its expectation already')
  for (const { fits } of expectations) {
    const expected = fits(words)
    if (expected === undefined) continue
    steps[steps.length - 1] = { ...step, text: `${step.text}; ${line.text}`, expected }
    return
  }
  throw new StoryError(
    line.number,
    `nothing says "${line.text}"`,
    expectations.map(({ usage }) => usage).join(', or: '),
  )
}

function refuseInDrill(line: Line, verb: Verb, action: Action): void {
  if (verb.worlds === 'test')
    throw new StoryError(line.number, `"${verb.usage}" exists in tests only`, 'a drill runs on the living system')
  const stranger = 'who' in action && !drillPlayers.includes(action.who) ? action.who : undefined
  if (stranger !== undefined)
    throw new StoryError(line.number, `${stranger} takes no part in drills`, `use ${drillPlayers.join(', ')}`)
}

/** The verbs that share most of their words with what was written. */
function nearest(words: readonly Token[]): string {
  const said = new Set(words.flatMap((token) => (token.kind === 'word' ? [token.text] : [])))
  const shared = ({ usage }: Verb): number => usage.split(/[ |]/).filter((word) => said.has(word)).length
  const best = [...verbs].sort((a, b) => shared(b) - shared(a)).slice(0, 2)
  return `say: ${best.map(({ usage }) => usage).join(', or: ')}`
}
