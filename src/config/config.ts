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
  readonly recording: {
    /** A session that has written so much is ended. */
    readonly maxBytes: number
    /** Shares of the disk, 0 to 1; with less left, transfers are refused, new sessions, whoever writes most is ended. */
    readonly bulkBelow: number
    readonly sessionsBelow: number
    readonly endBelow: number
  }
  readonly secrets: SecretSource
  /** With those who are disabled: their names and keys stay taken, nothing is opened to them. */
  readonly users: readonly User[]
  readonly targets: readonly Target[]
  readonly channels: readonly Channel[]
  readonly anchors: readonly Anchor[]
  readonly checks: readonly CheckConfig[]
  readonly drills: readonly DrillConfig[]
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
export type Channel = WebhookChannel | SlackChannel | TeamsChannel | PagerDutyChannel | EmailChannel | SyslogChannel

interface ChannelBase {
  readonly name: string
  /** Only such a channel counts as having been told. */
  readonly outside: boolean
}

/** As it is, or the name of the secret that holds it. */
export type ChannelUrl = string | { readonly secret: string }

export interface WebhookChannel extends ChannelBase {
  readonly kind: 'webhook'
  readonly url: ChannelUrl
  /** Name of the signing secret. */
  readonly secret: string
  /** PEM; null: the CAs of the machine. */
  readonly ca: string | null
}

export interface SlackChannel extends ChannelBase {
  readonly kind: 'slack'
  readonly url: ChannelUrl
}

export interface TeamsChannel extends ChannelBase {
  readonly kind: 'teams'
  readonly url: ChannelUrl
}

export interface PagerDutyChannel extends ChannelBase {
  readonly kind: 'pagerduty'
  /** Name of the secret that holds the integration key. */
  readonly secret: string
  /** Null: PagerDuty's own, in its US region. */
  readonly url: string | null
}

export interface EmailChannel extends ChannelBase {
  readonly kind: 'email'
  readonly host: string
  readonly port: number
  /** `none`: a server on this machine. */
  readonly security: 'starttls' | 'tls' | 'none'
  readonly from: string
  readonly to: readonly string[]
  readonly login: { readonly user: string; readonly secret: string } | null
  /** PEM; null: the CAs of the machine. */
  readonly ca: string | null
}

export interface SyslogChannel extends ChannelBase {
  readonly kind: 'syslog'
  readonly host: string
  readonly port: number
  readonly transport: 'tls' | 'tcp'
  /** PEM; null: the CAs of the machine. */
  readonly ca: string | null
}

/** Where checkpoints of the ledger go. */
export type Anchor = WebhookAnchor | EmailAnchor

interface AnchorBase {
  readonly name: string
  /** Between two checkpoints while the ledger grows. */
  readonly everyMs: number
}

export interface WebhookAnchor extends AnchorBase {
  readonly kind: 'webhook'
  /** Only such a place shows that a tail was cut. */
  readonly outside: boolean
  readonly url: ChannelUrl
  /** Name of the signing secret. */
  readonly secret: string
  /** A GET of the URL gives the newest checkpoint it holds. */
  readonly readBack: boolean
  /** PEM; null: the CAs of the machine. */
  readonly ca: string | null
}

export interface EmailAnchor extends AnchorBase {
  readonly kind: 'email'
  /** A channel of kind `email`: its server and addresses, and whether it is outside. */
  readonly channel: string
}

/** A question put to something outside before a grant is given; policies name it (`require`, `onCall`). */
export type CheckConfig = HttpJsonCheck | PagerDutyCheck

/** One GET; what the answer holds at `path` decides. */
export interface HttpJsonCheck {
  readonly kind: 'http-json'
  readonly name: string
  /** `{user}`, `{target}`, `{account}`, `{incident}` and `{trigger}` stand in its path and query only; each is filled in URL-encoded. */
  readonly url: string
  /** Header names, each with the name of the secret that is its whole value. */
  readonly headers: Readonly<Record<string, string>>
  /** Keys and array indexes into the answer, from its root; empty: the root itself. */
  readonly path: readonly (string | number)[]
  readonly expect: CheckExpectation
  readonly timeoutMs: number
}

export type CheckExpectation =
  /** Text may hold the placeholders of the URL. */
  | { readonly kind: 'equals'; readonly value: string | number | boolean }
  /** Something is there: not null, not false, and no empty text, list or object. */
  | { readonly kind: 'exists' }

/** PagerDuty's REST API v2. */
export interface PagerDutyCheck {
  readonly kind: 'pagerduty'
  readonly name: string
  /** Name of the secret that holds the API key. */
  readonly secret: string
  /** Origin, without a slash at its end. */
  readonly url: string
  readonly asks:
    /** Is the person on call there now? */
    | { readonly kind: 'schedule'; readonly id: string }
    | { readonly kind: 'escalation-policy'; readonly id: string }
    /** Is an incident of one of these services triggered or acknowledged? With an incident stated, that one. */
    | { readonly kind: 'open-incident'; readonly services: readonly string[] }
  /** The e-mail address by which PagerDuty knows the person; `{user}` stands for the name here. Null: nobody is asked about. */
  readonly email: string | null
  readonly timeoutMs: number
}

/** Rehearsals that are due by themselves. */
export interface DrillConfig {
  readonly name: string
  /** An alert goes out when none has been run for this long (ms). */
  readonly everyMs: number
  /** Empty: all there are. */
  readonly stories: readonly string[]
}
