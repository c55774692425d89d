// A browser of a story's person: signs in with a one-time link, gives a code, and sends what the page sends.
import type { Actor } from '../../src/drill/actor.ts'
import type { Stage } from '../../src/drill/stage.ts'
import type { Player, Refusal } from '../../src/drill/step.ts'
import type { House } from './house.ts'

export interface Answer {
  readonly status: number
  readonly body: { readonly code?: string; readonly title?: string; readonly [key: string]: unknown }
}

export class Page {
  readonly #url: string
  readonly #cookie: string | undefined
  #hasStepUp = false

  private constructor(url: string, cookie?: string) {
    this.#url = url
    this.#cookie = cookie
  }

  /** Whoever opens the address without being anybody. */
  static strangers(house: House): Page {
    return new Page(house.bastion.web.url)
  }

  /** Signed in with a link from `ssh WHO@bastion web`: such a session reads. */
  static async signedIn(house: House, stage: Stage, who: Player): Promise<Page> {
    const token = /#once=([\w-]+)/.exec(await stage.printed(who, ['web']))?.[1]
    const { url } = house.bastion.web
    const redeemed = await new Page(url).#send('/api/links/redeem', { token })
    return new Page(url, redeemed.headers.getSetCookie()[0]?.split(';')[0] ?? '')
  }

  /** Whether a code was given in it. */
  get hasStepUp(): boolean {
    return this.#hasStepUp
  }

  /** Gives a code on top of the session, once. */
  async stepUp(actor: Actor): Promise<void> {
    if (this.#hasStepUp) return
    const { status, body } = await this.post('/api/step-up', { code: await actor.code() })
    if (status !== 200) throw new Error(`${actor.name} could not give a code: ${body.title}`)
    this.#hasStepUp = true
  }

  async get(path: string): Promise<{ readonly status: number; readonly text: string }> {
    const answer = await fetch(new URL(path, this.#url), { headers: this.#headers })
    return { status: answer.status, text: await answer.text() }
  }

  async post(path: string, body: unknown): Promise<Answer> {
    const answer = await this.#send(path, body)
    return { status: answer.status, body: (await answer.json()) as Answer['body'] }
  }

  get #headers(): Record<string, string> {
    return this.#cookie === undefined ? {} : { cookie: this.#cookie }
  }

  #send(path: string, body: unknown): Promise<Response> {
    return fetch(new URL(path, this.#url), {
      method: 'POST',
      headers: { ...this.#headers, 'content-type': 'application/json', origin: new URL(this.#url).origin },
      body: JSON.stringify(body),
    })
  }
}

/** Why an answer refused, in a story's words; undefined where it did not, or for none of them. */
export function refusalOfAnswer({ status, body }: Answer): Refusal | undefined {
  const byCode: Readonly<Record<string, Refusal>> = {
    sign_in_required: 'not signed in',
    mfa_required: 'no code',
    not_found: 'no such request',
    denied: 'not allowed',
    conflict: 'too late',
    store_failed: 'nothing can be written',
  }
  return status < 400 ? undefined : byCode[body.code ?? '']
}
