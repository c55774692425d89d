// The figures of a report: their names, what each says to a reader, and what every one of them comes with. The page reads
// this file as well: it needs nothing else.

/** Every figure there is, with what it says to a reader. `ms` are spans of time. */
export const figures = {
  requests: { unit: 'count', title: 'asked for' },
  denied: { unit: 'count', title: 'denied' },
  lapsed: { unit: 'count', title: 'lapsed, nobody decided' },
  uses: { unit: 'count', title: 'uses (grants activated)' },
  'uses-by-trigger': { unit: 'count', title: 'uses by trigger' },
  'self-activated': { unit: 'count', title: 'activated without approval, by policy' },
  approved: { unit: 'count', title: 'activated after approval' },
  overrides: { unit: 'count', title: 'activated by override' },
  'time-to-access-p50': { unit: 'ms', title: 'request to activation, median' },
  'time-to-access-p95': { unit: 'ms', title: 'request to activation, 95th percentile' },
  'duration-p50': { unit: 'ms', title: 'time open, median' },
  'duration-p95': { unit: 'ms', title: 'time open, 95th percentile' },
  'duration-total': { unit: 'ms', title: 'time open, all together' },
  extensions: { unit: 'count', title: 'extensions' },
  'alerts-sent': { unit: 'count', title: 'alerts of activations' },
  'alerts-waiting': { unit: 'count', title: 'of these not accepted yet' },
  'alerts-dead': { unit: 'count', title: 'of these given up' },
  'alert-latency-p50': { unit: 'ms', title: 'alert to acceptance, median' },
  'alert-latency-p95': { unit: 'ms', title: 'alert to acceptance, 95th percentile' },
  'reviews-on-time': { unit: 'count', title: 'reviews in time' },
  'reviews-late': { unit: 'count', title: 'reviews after their time' },
  'reviews-waiting': { unit: 'count', title: 'reviews waiting, not due yet' },
  'reviews-overdue': { unit: 'count', title: 'reviews overdue now' },
  'reviews-reopened': { unit: 'count', title: 'reviews taken back' },
  emergencies: { unit: 'count', title: 'verdict: emergency' },
  mistakes: { unit: 'count', title: 'verdict: mistake' },
  misuse: { unit: 'count', title: 'verdict: misuse' },
  unannounced: { unit: 'count', title: 'used unannounced' },
  bypasses: { unit: 'count', title: 'vouched for, without own second factor' },
  'drills-run': { unit: 'count', title: 'drills finished' },
  'drills-failed': { unit: 'count', title: 'drills with a broken promise' },
  'drills-missed': { unit: 'count', title: 'drills left undone' },
  'drill-grants': { unit: 'count', title: 'grants of drills (not among the uses)' },
} as const satisfies Readonly<Record<string, { readonly unit: 'count' | 'ms'; readonly title: string }>>

export type FigureName = keyof typeof figures

/** What a figure was counted from. For a percentile: the one grant or alert that stands at it. */
export interface Evidence {
  readonly grants: readonly string[]
  /** Indexes of ledger leaves, ascending. */
  readonly leaves: readonly number[]
  readonly alerts: readonly string[]
}

export interface Figure {
  readonly name: FigureName
  /** Which of several of this name, such as the trigger; null: there is one. */
  readonly of: string | null
  /** ms or a count; null: there was nothing to measure. */
  readonly value: number | null
  readonly unit: 'count' | 'ms'
  readonly evidence: Evidence
}
