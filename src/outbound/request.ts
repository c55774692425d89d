// One HTTP request that Halligan makes by itself: to a receiver of alerts, to an incident system. Bounded in time and
// bytes, never redirected, never to an address that only this machine can reach. It knows nothing of what is said.

import { type IncomingMessage, type RequestOptions, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { guardedLookup, type Reach, reachOf, type Resolve } from './address.ts'

export interface OutboundRequest {
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array | undefined
  /** For all of it, name to last byte. */
  readonly timeoutMs: number
  /** Of the answer's body. */
  readonly maxBytes: number
  /**
   * `whole` (the default): an answer that breaks off, lasts too long or is longer than `maxBytes` is an error. `start`:
   * the status decides, and what came of the body within `maxBytes` and `answerTimeoutMs` is given.
   */
  readonly answer?: 'whole' | 'start' | undefined
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
  /** `loopback`: a name may lead to this machine; without it only `localhost` and an address may. */
  readonly allow?: 'loopback' | undefined
  /** PEM of a CA that is trusted instead of the machine's. */
  readonly ca?: string | undefined
  /** How names become addresses; the machine's way without it. */
  readonly resolve?: Resolve | undefined
}

export interface OutboundAnswer {
  readonly status: number
  /** Lower-case names. */
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** Receivers answer with a few headers; more is an attack or a mistake. */
const maxHeaderBytes = 16_384
/** With `start`: how long the rest of an answer is waited for once its status has come. */
export const answerTimeoutMs: number = 2_000

/**
 * Reads a URL that Halligan may call: https, or http to this machine; no user, no password, no fragment. Throws
 * `config_invalid`; the message never holds the URL, which may hold a token.
 */
export function outboundUrl(text: string): URL {
  const url = URL.parse(text)
  const wrong = (message: string, hint: string) => new HalliganError('config_invalid', message, { hint })
  if (url === null) throw wrong('the URL cannot be read', 'write it as https://host/path')
  if (url.username !== '' || url.password !== '')
    throw wrong('the URL holds a user or password', 'give them as a header from the secrets')
  if (url.hash !== '') throw wrong('the URL holds a fragment, which is never sent', 'leave out what follows the #')
  const reaches = reachesOf(url, undefined)
  if (reaches.length > 0) return url
  throw wrong(
    `${url.protocol}//${url.hostname} is not protected on the way, or never dialled`,
    'use https; http only goes to this machine, and nothing goes to link-local or metadata addresses',
  )
}

/**
 * Sends once. Resolves with any status, 3xx as well: nothing is followed. Throws `config_invalid` (see `outboundUrl`) and
 * `unreachable`: not dialled, no connection, no whole answer in time or bytes, not HTTP, aborted. Messages hold no URL.
 */
export async function request(url: URL | string, options: OutboundRequest): Promise<OutboundAnswer> {
  const to = outboundUrl(String(url))
  if (options.signal?.aborted === true) throw unreachable('given up before it was sent')
  const outgoing = open(to, options)
  const { promise: answered, resolve, reject } = Promise.withResolvers<OutboundAnswer>()
  const timer = options.clock.after(options.timeoutMs, () => {
    reject(unreachable(`no answer within ${options.timeoutMs} ms`))
  })
  const giveUp = (): void => reject(unreachable('given up before it was answered'))
  options.signal?.addEventListener('abort', giveUp, { once: true })
  outgoing.once('response', (response) => {
    // From here on the answer itself says what is wrong with the connection.
    outgoing.off('close', closed).off('error', failed).on('error', ignore)
    if (options.answer === 'start') timer.cancel()
    read(response, options).then(resolve, reject)
  })
  const failed = (cause: Error): void =>
    reject(cause instanceof HalliganError ? cause : unreachable(reasonOf(cause), cause))
  const closed = (): void => reject(unreachable('the connection ended without an answer'))
  outgoing.on('error', failed).on('close', closed)
  outgoing.end(options.body)
  try {
    return await answered
  } finally {
    timer.cancel()
    options.signal?.removeEventListener('abort', giveUp)
    outgoing.destroy()
  }
}

/** A connection that fails behind its answer is seen by whoever reads the answer. */
function ignore(): void {}

function open(url: URL, options: OutboundRequest): ReturnType<typeof httpRequest> {
  const isPlain = url.protocol === 'http:'
  const shared: RequestOptions = {
    method: options.method,
    headers: { ...options.headers, ...lengthOf(options.body) },
    // One connection for one request: an address that was checked for another URL is never used again.
    agent: false,
    lookup: guardedLookup(reachesOf(url, options.allow), options.resolve),
    maxHeaderSize: maxHeaderBytes,
    insecureHTTPParser: false,
  }
  try {
    if (isPlain) return httpRequest(url, shared)
    return httpsRequest(url, {
      ...shared,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      ...(options.ca === undefined ? {} : { ca: options.ca }),
    })
  } catch (cause) {
    // Only a header that HTTP cannot carry gets here.
    throw new HalliganError('config_invalid', 'a header of the request cannot be sent', {
      hint: 'look for line ends in the secret it comes from',
      cause,
    })
  }
}

/** What may be dialled for this URL; empty: nothing. */
function reachesOf(url: URL, allow: 'loopback' | undefined): readonly Reach[] {
  const host = url.hostname.replaceAll(/^\[|\]$/g, '')
  const isLiteral = isIP(host) !== 0
  const own = isLiteral ? reachOf(host) : host === 'localhost' ? 'loopback' : 'open'
  if (own === 'forbidden') return []
  if (url.protocol === 'http:') return own === 'loopback' ? ['loopback'] : []
  if (url.protocol !== 'https:') return []
  return own === 'loopback' || allow === 'loopback' ? ['open', 'loopback'] : ['open']
}

function lengthOf(body: string | Uint8Array | undefined): Record<string, string> {
  return body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
}

async function read(response: IncomingMessage, options: OutboundRequest): Promise<OutboundAnswer> {
  const { statusCode: status = 0, headers } = response
  const chunks: Buffer[] = []
  let size = 0
  const timer = options.answer === 'start' ? options.clock.after(answerTimeoutMs, () => response.destroy()) : undefined
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      size += chunk.length
      if (size <= options.maxBytes) continue
      if (options.answer === 'start') break
      throw unreachable(`the answer is longer than ${options.maxBytes} bytes`)
    }
  } catch (cause) {
    if (cause instanceof HalliganError) throw cause
    if (options.answer !== 'start') throw unreachable('the answer broke off', cause)
  } finally {
    timer?.cancel()
  }
  return { status, headers, body: Buffer.concat(chunks).subarray(0, options.maxBytes) }
}

function unreachable(why: string, cause?: unknown): HalliganError {
  return new HalliganError('unreachable', why, { cause })
}

/** A system or TLS error's code says what is wrong; its message may hold addresses and more. */
function reasonOf(cause: unknown): string {
  const code: unknown = cause instanceof Error ? Reflect.get(cause, 'code') : undefined
  if (typeof code !== 'string') return 'the connection failed'
  return code.startsWith('HPE_') ? `the answer is not HTTP (${code})` : `the connection failed: ${code}`
}
