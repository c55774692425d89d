// Who may come: people from the configuration. Second factors live in the store, never here.

export type Role = 'engineer' | 'approver' | 'reviewer' | 'admin' | 'auditor'

export interface User {
  /** Unique; disjoint from target and command names; none of `+ @ : # /` or space. */
  readonly name: string
  readonly groups: readonly string[]
  readonly roles: readonly Role[]
  readonly keys: readonly UserKey[]
  /** Made in memory for one drill: `decide` opens nothing but canary targets to it. */
  readonly isDrill?: true
  /** True once the person has left the configuration, or is disabled in it: nothing is opened to them any more. */
  readonly isDisabled?: boolean
}

export interface UserKey {
  /** `SHA256:…` as OpenSSH prints it. */
  readonly fingerprint: string
  /** Key type inside the blob, such as `ssh-ed25519`. */
  readonly type: string
  /** The public key blob, base64. */
  readonly blob: string
  readonly comment: string
}

/** A person whose first factor has been proven on one connection; made by a front end after a verified signature. */
export interface Identity {
  readonly user: User
  /** Fingerprint of the key that proved it, or `web` for a browser session. */
  readonly fingerprint: string
  /** The client's address, IPv4-mapped forms reduced; loopback forms are one address (`127.0.0.1`). */
  readonly address: string
}

/** The people known, found by name or by key. Built once from the configuration. */
export interface Directory {
  byName(name: string): User | undefined
  byFingerprint(fingerprint: string): { readonly user: User; readonly key: UserKey } | undefined
  all(): readonly User[]
}
