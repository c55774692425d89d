// What the rest of the house is given: one checked, frozen value. It holds names of secrets, never a secret.

import type { Policy } from '../access/policy.ts'
import type { User } from '../identity/user.ts'
import type { Target } from '../target.ts'
import type { SecretSource } from './secrets.ts'

export interface Config {
  /** The file it was read from, absolute. */
  readonly file: string
  /** SHA-256 (hex) of the file's bytes. */
  readonly sha256: string
  /** The name under which people reach this machine. */
  readonly hostname: string
  readonly listen: { readonly ssh: Listen; readonly postgres: Listen; readonly web: WebListen }
  /** Absolute. */
  readonly stateDirectory: string
  /** Absolute. */
  readonly recordingsDirectory: string
  readonly journal: { readonly segmentBytes: number }
  readonly secrets: SecretSource
  readonly users: readonly User[]
  readonly targets: readonly Target[]
  readonly channels: readonly Channel[]
  readonly policies: readonly Policy[]
}

export interface Listen {
  readonly host: string
  /** 0: a free one. */
  readonly port: number
}

export interface WebListen extends Listen {
  /** Origin that people type; null: http://localhost and the port that was bound. */
  readonly url: string | null
  /** CIDR networks of proxies whose word about the client counts. */
  readonly trustedProxies: readonly string[]
}

/** Where alerts go. */
export interface Channel {
  readonly kind: 'webhook'
  readonly name: string
  readonly url: string
  /** Name of the signing secret. */
  readonly secret: string
  /** Only such a channel counts as having been told. */
  readonly outside: boolean
}
