// The interface as the page uses it: JSON in, JSON or a problem out. A session that is over is noticed here, once.

import type { Problem as ProblemBody } from '../../src/http/problem.ts'

/** What the server refused, in its own words. */
export class Problem extends Error {
  readonly status: number
  readonly code: string
  readonly hint: string | undefined
  readonly finding: string | undefined

  constructor(status: number, body: Partial<ProblemBody>) {
    super(body.title ?? `the server answered ${status}`)
    this.status = status
    this.code = body.code ?? 'internal'
    this.hint = body.hint
    this.finding = body.finding
  }
}

let onSignedOut = (): void => {}

/** Called when any answer says that nobody is signed in. */
export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener
}

export async function get<T>(path: string): Promise<T> {
  return (await answer(path, { headers: { accept: 'application/json' } })).json() as Promise<T>
}

export async function post<T>(path: string, body: unknown): Promise<T> {
  const headers = { 'content-type': 'application/json', accept: 'application/json' }
  return (await answer(path, { method: 'POST', headers, body: JSON.stringify(body) })).json() as Promise<T>
}

/** The text lines of an answer as they arrive, in batches. */
export async function* lines(path: string, signal: AbortSignal): AsyncGenerator<string[]> {
  const { body } = await answer(path, { signal })
  if (body === null) return
  let rest = ''
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    const parts = (rest + value).split('\n')
    rest = parts.pop() ?? ''
    yield parts
  }
  if (rest !== '') yield [rest]
}

async function answer(path: string, init: RequestInit): Promise<Response> {
  let response: Response
  try {
    response = await fetch(path, { ...init, credentials: 'same-origin' })
  } catch (error) {
    if (init.signal?.aborted) throw error
    throw new Problem(0, { title: 'Halligan cannot be reached', hint: 'it is tried again when you reload' })
  }
  if (response.ok) return response
  const problem = new Problem(response.status, await problemBody(response))
  if (problem.code === 'sign_in_required') onSignedOut()
  throw problem
}

async function problemBody(response: Response): Promise<Partial<ProblemBody>> {
  if (!response.headers.get('content-type')?.includes('json')) return {}
  return (await response.json()) as Partial<ProblemBody>
}

/** The address of a websocket of ours. */
export function socketUrl(path: string): string {
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${path}`
}
