// One statement: when, what, with which values, what came of it, how long it took, and whether its transaction kept it.

import { createRenderEffect, createSignal, For, Match, Show, Switch, type JSX } from 'solid-js'
import { duration, number, offset, size, visible } from './format.ts'
import { Icon } from './icons.tsx'
import { SqlText } from './sql-text.tsx'
import type { Fate, Outcome, Statement } from './statements.ts'

/** Texts beyond this many lines or characters are folded. */
const FOLD_LINES = 8
const FOLD_CHARS = 600

/** Where a statement stands in its transaction's brace. */
export type Brace = { readonly position: 'first' | 'inside' | 'last' | 'only'; readonly fate: Fate } | undefined

export function braceOf(before: Statement | undefined, it: Statement, after: Statement | undefined): Brace {
  if (it.transaction === undefined) return undefined
  const { number: own, fate } = it.transaction
  const isFirst = before?.transaction?.number !== own
  const isLast = after?.transaction?.number !== own
  if (isFirst) return { position: isLast ? 'only' : 'first', fate }
  return { position: isLast ? 'last' : 'inside', fate }
}

/** How long a statement took in all, ms. */
export function tookMs(statement: Statement): number {
  return statement.outcomes.reduce((sum, outcome) => sum + outcome.ms, 0)
}

export function StatementRow(props: {
  readonly statement: Statement
  readonly slowestMs: number
  readonly brace: Brace
}): JSX.Element {
  const it = () => props.statement
  const isLong = () => it().sql.length > FOLD_CHARS || it().sql.split('\n').length > FOLD_LINES
  const [isOpen, setOpen] = createSignal(false)
  return (
    <li
      id={`q${it().id}`}
      class="statement"
      classList={{
        'is-failed': it().state === 'failed',
        'is-running': it().state === 'running',
        'is-taken-back': it().rolledBack !== undefined,
      }}
    >
      <time>{offset(it().at)}</time>
      <span
        class={`brace brace-${props.brace?.position ?? 'none'} fate-${props.brace?.fate ?? 'none'}`}
        title={props.brace === undefined ? undefined : braceTitle(it(), props.brace)}
      />
      <div class="statement-main">
        <pre class="statement-sql" classList={{ 'is-folded': isLong() && !isOpen() }}>
          <SqlText sql={it().sql} />
        </pre>
        <Show when={isLong()}>
          <button class="fold" type="button" aria-expanded={isOpen()} onClick={() => setOpen(!isOpen())}>
            {isOpen() ? 'Fold' : `Show all ${number(it().sql.length)} characters`}
          </button>
        </Show>
        <Show when={it().parameters.length > 0}>
          <Parameters values={it().parameters} />
        </Show>
        <For each={it().outcomes}>
          {(outcome) => <Show when={outcome.error}>{(error) => <Failed error={error()} />}</Show>}
        </For>
        <Show when={it().risky}>
          {(kinds) => (
            <p class="statement-risky">
              <span class="badge badge-warn" title="by its words, it destroys something or hands out access">
                <Icon name="warning" />
                Risky
              </span>{' '}
              {visible(kinds())}
            </p>
          )}
        </Show>
        <Show when={it().rolledBack}>{(extent) => <p class="taken-back">{takenBack(extent())}</p>}</Show>
      </div>
      <Outcomes statement={it()} slowestMs={props.slowestMs} />
    </li>
  )
}

const fateWords: Readonly<Record<Fate, string>> = { kept: 'committed', 'taken-back': 'rolled back', open: 'not ended' }

function braceTitle(it: Statement, brace: NonNullable<Brace>): string {
  return `transaction ${it.transaction?.number}: ${fateWords[brace.fate]}`
}

function takenBack(extent: NonNullable<Statement['rolledBack']>): string {
  switch (extent) {
    case 'all':
      return 'rolled back: nothing of it stayed'
    case 'some':
      return 'rolled back to a savepoint: it may not have stayed'
    case 'unknown':
      return 'the connection was lost: nobody can say whether it stayed'
  }
}

function Parameters(props: { readonly values: Statement['parameters'] }): JSX.Element {
  return (
    <dl class="parameters">
      <For each={props.values}>
        {(value, index) => (
          <div>
            <dt>${index() + 1}</dt>
            <dd classList={{ 'is-null': value === null }}>{value === null ? 'NULL' : visible(value)}</dd>
          </div>
        )}
      </For>
    </dl>
  )
}

function Failed(props: { readonly error: NonNullable<Outcome['error']> }): JSX.Element {
  return (
    <p class="sql-error">
      <span class="sqlstate">{visible(props.error.sqlstate)}</span> {visible(props.error.message)}
    </p>
  )
}

function Outcomes(props: { readonly statement: Statement; readonly slowestMs: number }): JSX.Element {
  return (
    <div class="outcome">
      <Switch>
        <Match when={props.statement.state === 'running'}>
          <span class="badge badge-live">
            <span class="dot" aria-hidden="true" />
            Running
          </span>
        </Match>
        <Match when={props.statement.state === 'skipped'}>
          <span class="badge" title="the server ignored it: something before it had failed">
            Skipped
          </span>
        </Match>
        <Match when={props.statement.state === 'unknown'}>
          <span class="badge badge-warn" title="the connection ended before the server told what became of it">
            Outcome unknown
          </span>
        </Match>
        <Match when={true}>
          <For each={props.statement.outcomes}>
            {(outcome) => (
              <Show when={outcome.error === undefined} fallback={<span class="tag tag-bad">ERROR</span>}>
                <span class="tag">{visible(tagOf(outcome))}</span>
              </Show>
            )}
          </For>
          <span class="took">
            <span class="took-bar" aria-hidden="true">
              <span ref={(bar) => followShare(bar, () => tookMs(props.statement) / props.slowestMs)} />
            </span>
            {duration(tookMs(props.statement))}
          </span>
        </Match>
      </Switch>
    </div>
  )
}

function tagOf({ tag, rows, copyBytes }: Outcome): string {
  if (copyBytes > 0) return `COPY · ${number(rows)} rows, ${size(copyBytes)}`
  if (tag === null) return `${number(rows)} rows so far`
  if (tag === '') return 'empty'
  // `SELECT 3` and `INSERT 0 1` carry their count; a person reads rows.
  const [word = ''] = tag.split(/ \d/)
  return /\d$/.test(tag) ? `${word} · ${number(rows)} ${rows === 1 ? 'row' : 'rows'}` : tag
}

function followShare(bar: HTMLElement, share: () => number): void {
  // A root keeps short ones apart from each other beside a very slow one.
  createRenderEffect(() => bar.style.setProperty('--share', String(Math.sqrt(Math.min(1, share())))))
}
