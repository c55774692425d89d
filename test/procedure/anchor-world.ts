import { createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { AuditEvent } from '../../src/audit.ts'
import { openCheckpoint, signCheckpoint } from '../../src/ledger/checkpoint.ts'
import { noteSigner } from '../../src/ledger/note-key.ts'
import { webhookAnchor } from '../../src/notify/anchor-webhook.ts'
import type { AnchorPlace } from '../../src/procedure/anchor-record.ts'
import { Anchoring } from '../../src/procedure/anchoring.ts'
import type { Change, LedgerHead, State } from '../../src/session/state.ts'
import { openState, type StoredState } from '../../src/store/state.ts'
import { FakeClock } from '../support/clock.ts'

export const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
export const event: AuditEvent = { type: 'web-login', user: 'alice', address: '10.0.0.1' }

/** A place that keeps checkpoints: a real HTTP server, which refuses what was not signed with the secret. */
export class Keeper implements AsyncDisposable {
  /** Checkpoints in the order in which they came. */
  readonly got: string[] = []
  /** What a GET gives; by itself the newest. */
  held: string | undefined
  /** How a POST is answered. */
  status = 204
  lies = false
  readonly ids: string[] = []
  /** How often it was asked to take one. */
  asked = 0
  /** Answers wait for it. */
  hold: Promise<void> = Promise.resolve()
  url = ''
  readonly #server = createServer((request, response) => {
    void this.#take(request).then((status) => {
      if (request.method === 'POST') return response.writeHead(status).end()
      return this.held === undefined ? response.writeHead(404).end() : response.end(this.held)
    })
  })

  static async open(): Promise<Keeper> {
    const keeper = new Keeper()
    keeper.#server.listen(0, '127.0.0.1')
    await once(keeper.#server, 'listening')
    keeper.url = `http://127.0.0.1:${(keeper.#server.address() as AddressInfo).port}/anchor`
    return keeper
  }

  /** Sizes of what it got. */
  get sizes(): number[] {
    return this.got.map((checkpoint) => Number(checkpoint.split('\n')[1]))
  }

  async #take(request: IncomingMessage): Promise<number> {
    const body = await text(request)
    if (request.method === 'POST') this.asked++
    const id = String(request.headers['webhook-id'])
    const signed = `${id}.${String(request.headers['webhook-timestamp'])}.${body}`
    const hmac = createHmac('sha256', Buffer.from(secret.slice(6), 'base64'))
      .update(signed)
      .digest('base64')
    if (request.headers['webhook-signature'] !== `v1,${hmac}`) return 401
    await this.hold
    if (request.method !== 'POST' || this.status >= 300) return this.status
    this.ids.push(id)
    const { data } = JSON.parse(body) as { data: { checkpoint: string } }
    this.got.push(data.checkpoint)
    if (!this.lies) this.held = data.checkpoint
    return this.status
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((closed) => this.#server.close(closed))
  }
}

/** Anchoring over the real store, on a clock that the test moves. */
export class AnchorWorld implements AsyncDisposable {
  readonly clock = new FakeClock()
  readonly signer = noteSigner('halligan/test', randomBytes(32))
  readonly alerts: { readonly type: string; readonly payload: Readonly<Record<string, unknown>> }[] = []
  journal = { seq: 0, head: '00'.repeat(32) }
  /** Refuses commits whose leaves it says so of. */
  refuses: (change: Change) => boolean = () => false
  stored: StoredState
  anchoring: Anchoring
  /** What an earlier process still has in hand reaches nothing any more. */
  #processes = 0
  readonly #folder: string
  readonly #key: Buffer

  private constructor(stored: StoredState, folder: string, key: Buffer) {
    this.stored = stored
    this.#folder = folder
    this.#key = key
    this.anchoring = this.#make()
  }

  static async open(): Promise<AnchorWorld> {
    const folder = mkdtempSync(join(tmpdir(), 'halligan-anchor-'))
    const key = randomBytes(32)
    return new AnchorWorld(await openStore(folder, key), folder, key)
  }

  /** Ends this process without a word, and begins the next over the same files; `meanwhile` has them to itself. */
  async restart(meanwhile: (file: string) => void = () => {}): Promise<void> {
    this.#processes++
    await this.stored.close()
    meanwhile(join(this.#folder, 'halligan.db'))
    this.stored = await openStore(this.#folder, this.#key)
    this.anchoring = this.#make()
  }

  place(keeper: Keeper, over: Partial<{ name: string; outside: boolean; readBack: boolean }> = {}): AnchorPlace {
    const anchor = webhookAnchor({
      name: 'desk',
      outside: true,
      readBack: false,
      url: keeper.url,
      secret,
      clock: this.clock,
      ...over,
    })
    return { anchor, everyMs: 5_000, promptly: 'sessions' }
  }

  async commit(...leaves: AuditEvent[]): Promise<LedgerHead> {
    return await this.#state.commit({ at: this.clock.now(), writes: [], leaves })
  }

  /** Time passes, and what falls due in it is done. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms)
    await this.anchoring.settled()
  }

  checkpoint(head: LedgerHead): string {
    return signCheckpoint({ size: head.size, root: Buffer.from(head.root, 'hex') }, this.signer)
  }

  async leaves<T extends AuditEvent['type']>(type: T): Promise<Extract<AuditEvent, { type: T }>[]> {
    const entries = await this.stored.events({ types: [type], limit: 1000 })
    return entries.map(({ event }) => event as Extract<AuditEvent, { type: T }>).reverse()
  }

  get #state(): State {
    const { stored } = this
    const mine = this.#processes
    return {
      commit: async (change: Change) => {
        if (mine !== this.#processes || this.refuses(change)) throw new Error('killed')
        const head = await stored.commit(change)
        this.alerts.push(...(change.alerts ?? []))
        this.anchoring.committed(change.leaves, head)
        return head
      },
      ledgerHead: () => stored.ledgerHead(),
      consistencyProof: (first: number, size: number) => stored.consistencyProof(first, size),
      setting: (name: string) => stored.setting(name),
      events: (filter: Parameters<State['events']>[0]) => stored.events(filter),
    } as State
  }

  #make(): Anchoring {
    return new Anchoring({
      clock: this.clock,
      state: this.#state,
      journalHead: () => this.journal,
      sign: (head) => this.checkpoint(head),
      open: (checkpoint) => openCheckpoint(checkpoint, this.signer),
      channels: () => ['sec'],
      nudge: () => {},
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stored.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

function openStore(folder: string, key: Buffer): Promise<StoredState> {
  const file = join(folder, 'halligan.db')
  return openState({ file, clock: new FakeClock(), keyEncryptionKey: key, ballastBytes: 0 })
}
