// What `doctor` says about one thing: how it stands, in one line, and what to do.

export type Standing = 'ok' | 'warn' | 'fail'

export interface Finding {
  /** What was looked at: `channel security-desk`. */
  readonly subject: string
  readonly standing: Standing
  /** One line, without a secret in it. */
  readonly detail: string
  readonly hint?: string | undefined
}

export function ok(subject: string, detail: string): Finding {
  return { subject, standing: 'ok', detail }
}

export function warn(subject: string, detail: string, hint?: string): Finding {
  return { subject, standing: 'warn', detail, hint }
}

export function fail(subject: string, detail: string, hint?: string): Finding {
  return { subject, standing: 'fail', detail, hint }
}
