// The report of a month: what was used, how fast, who was told, what the reviews found; each figure with what it was counted
// from. Made to be printed as well.

import { createSignal, For, Show, type JSX } from 'solid-js'
import type { Control } from '../../src/procedure/control-map.ts'
import { figures, type Figure, type FigureName } from '../../src/procedure/figure.ts'
import type { Report } from '../../src/procedure/report.ts'
import type { Section } from '../../src/procedure/report-figures.ts'
import { get } from './api.ts'
import { duration, number, utc, visible } from './format.ts'
import { Icon } from './icons.tsx'
import { Empty, Failure, Loading } from './notes.tsx'
import { createQuery } from './query.ts'
import { Link } from './router.tsx'
import { serverNow } from './server-time.ts'

/** Links of one figure; the rest is in the files. */
const EVIDENCE_SHOWN = 40

const groups: readonly { readonly title: string; readonly names: readonly FigureName[] }[] = [
  {
    title: 'Access',
    names: ['uses', 'uses-by-trigger', 'requests', 'self-activated', 'approved', 'denied', 'lapsed'],
  },
  {
    title: 'Time',
    names: ['time-to-access-p50', 'time-to-access-p95', 'duration-p50', 'duration-p95', 'duration-total', 'extensions'],
  },
  { title: 'Exceptions', names: ['overrides', 'unannounced', 'bypasses', 'misuse', 'mistakes', 'emergencies'] },
  {
    title: 'Reviews',
    names: ['reviews-on-time', 'reviews-late', 'reviews-waiting', 'reviews-overdue', 'reviews-reopened'],
  },
  {
    title: 'Alerts',
    names: ['alerts-sent', 'alerts-waiting', 'alerts-dead', 'alert-latency-p50', 'alert-latency-p95'],
  },
  { title: 'Drills', names: ['drills-run', 'drills-failed', 'drills-missed', 'drill-grants'] },
]

/** More than none of these is somebody's work. */
const worries: ReadonlySet<FigureName> = new Set([
  'misuse',
  'unannounced',
  'reviews-late',
  'reviews-overdue',
  'alerts-dead',
  'drills-failed',
  'drills-missed',
])

const columns = [
  ['Uses', 'uses'],
  ['Access, median', 'time-to-access-p50'],
  ['95 %', 'time-to-access-p95'],
  ['Overrides', 'overrides'],
  ['Unannounced', 'unannounced'],
  ['In time', 'reviews-on-time'],
  ['Late', 'reviews-late'],
  ['Overdue', 'reviews-overdue'],
  ['Misuse', 'misuse'],
] as const satisfies readonly (readonly [string, FigureName])[]

export function ReportPage(): JSX.Element {
  const [month, setMonth] = createSignal(askedMonth() ?? monthOf(serverNow()))
  const report = createQuery(month, (each) => get<Report>(`/api/report?month=${encodeURIComponent(each)}`))
  const choose = (each: string) => {
    if (!/^\d{4}-\d\d$/.test(each) || each === month()) return
    history.replaceState(null, '', `/report?month=${each}`)
    setMonth(each)
  }
  // What is still shown while another month is made would be taken for that month.
  const shown = () => (report.data()?.month === month() ? report.data() : undefined)

  return (
    <div class="page report">
      <header class="page-head">
        <h1>Report of {month()}</h1>
        <div class="report-tools no-print">
          <div class="segments" role="group" aria-label="Month">
            <button type="button" onClick={() => choose(monthBeside(month(), -1))}>
              Earlier
            </button>
            <button
              type="button"
              disabled={month() >= monthOf(serverNow())}
              onClick={() => choose(monthBeside(month(), 1))}
            >
              Later
            </button>
          </div>
          <label class="report-month">
            <span class="sr-only">Month, such as 2026-11</span>
            <input
              type="month"
              value={month()}
              max={monthOf(serverNow())}
              onChange={(event) => choose(event.currentTarget.value)}
            />
          </label>
          <a class="button" href={`/api/report.csv?month=${month()}`} download={`halligan-report-${month()}.csv`}>
            <Icon name="download" /> CSV
          </a>
          <button class="button" type="button" onClick={() => window.print()}>
            Print
          </button>
        </div>
      </header>
      <Show
        when={shown()}
        fallback={
          <Show when={report.error()} fallback={<Loading what={`the report of ${month()}`} />}>
            <Failure error={report.error()} onRetry={report.again} />
          </Show>
        }
      >
        {(made) => <Made report={made()} />}
      </Show>
    </div>
  )
}

function Made(props: { readonly report: Report }): JSX.Element {
  const report = () => props.report
  const all = () => report().sections[0]?.figures ?? []
  const policies = () => report().sections.slice(1)
  return (
    <>
      <p class="report-as-of">
        Counted {utc(report().asOf)}; months are in UTC.{' '}
        {report().isOver ? '' : 'The month is not over: figures will still grow.'}
      </p>
      <Warnings title="Not complete" lines={report().cut} />
      <Warnings title="State and ledger disagree" lines={report().contradictions} />
      <Show
        when={policies().length > 0}
        fallback={<Empty title="The glass stayed whole">Nobody asked for anything in {report().month}.</Empty>}
      >
        <Policies sections={policies()} />
      </Show>
      <div class="figure-groups">
        <For each={groups}>
          {(group) => (
            <section class="figure-group">
              <h2>{group.title}</h2>
              <For each={all().filter(({ name }) => group.names.includes(name))}>
                {(figure) => <FigureRow figure={figure} />}
              </For>
            </section>
          )}
        </For>
      </div>
      <Controls controls={report().controls} figures={all()} />
    </>
  )
}

function Warnings(props: { readonly title: string; readonly lines: readonly string[] }): JSX.Element {
  return (
    <Show when={props.lines.length > 0}>
      <div class="report-warning" role="alert">
        <strong>
          <Icon name="warning" /> {props.title}
        </strong>
        <ul>
          <For each={props.lines}>{(line) => <li>{visible(line)}</li>}</For>
        </ul>
      </div>
    </Show>
  )
}

function Policies(props: { readonly sections: readonly Section[] }): JSX.Element {
  const find = (section: Section, name: FigureName) => section.figures.find((figure) => figure.name === name)
  return (
    <section class="report-policies">
      <h2>By policy</h2>
      <div class="report-scroll" tabindex="0" role="region" aria-label="Figures by policy">
        <table>
          <thead>
            <tr>
              <th scope="col">Policy</th>
              <For each={columns}>{([title]) => <th scope="col">{title}</th>}</For>
            </tr>
          </thead>
          <tbody>
            <For each={props.sections}>
              {(section) => (
                <tr>
                  <th scope="row">{visible(section.policy ?? '')}</th>
                  <For each={columns}>
                    {([, name]) => (
                      <td classList={{ 'is-worry': isWorry(find(section, name)) }}>{valueOf(find(section, name))}</td>
                    )}
                  </For>
                </tr>
              )}
            </For>
          </tbody>
        </table>
      </div>
    </section>
  )
}

function FigureRow(props: { readonly figure: Figure }): JSX.Element {
  const figure = () => props.figure
  const count = () => {
    const { grants, leaves, alerts } = figure().evidence
    return grants.length + leaves.length + alerts.length
  }
  const title = () => {
    const of = figure().of
    return of === null ? figures[figure().name].title : `with ${visible(of)}`
  }
  return (
    <details class="figure" classList={{ 'is-part': figure().of !== null, 'is-empty': count() === 0 }}>
      <summary>
        <span>{title()}</span>
        <strong classList={{ 'is-worry': isWorry(figure()) }}>{valueOf(figure())}</strong>
      </summary>
      <Show when={count() > 0} fallback={<p class="muted">Nothing was counted.</p>}>
        <Evidence figure={figure()} />
      </Show>
    </details>
  )
}

function Evidence(props: { readonly figure: Figure }): JSX.Element {
  const evidence = () => props.figure.evidence
  return (
    <dl class="evidence">
      <Show when={evidence().grants.length > 0}>
        <dt>Grants</dt>
        <dd>
          <For each={evidence().grants.slice(0, EVIDENCE_SHOWN)}>
            {(id) => <Link href={`/sessions?grant=${id}`}>{id}</Link>}
          </For>
          <More of={evidence().grants} />
        </dd>
      </Show>
      <Show when={evidence().leaves.length > 0}>
        <dt>Ledger leaves</dt>
        <dd>
          <For each={evidence().leaves.slice(0, EVIDENCE_SHOWN)}>{(index) => <code>#{index}</code>}</For>
          <More of={evidence().leaves} />
        </dd>
      </Show>
      <Show when={evidence().alerts.length > 0}>
        <dt>Alerts</dt>
        <dd>
          <For each={evidence().alerts.slice(0, EVIDENCE_SHOWN)}>{(id) => <code>{id}</code>}</For>
          <More of={evidence().alerts} />
        </dd>
      </Show>
    </dl>
  )
}

function More(props: { readonly of: readonly unknown[] }): JSX.Element {
  return (
    <Show when={props.of.length > EVIDENCE_SHOWN}>
      <span class="muted">and {number(props.of.length - EVIDENCE_SHOWN)} more, in the CSV</span>
    </Show>
  )
}

function Controls(props: { readonly controls: readonly Control[]; readonly figures: readonly Figure[] }): JSX.Element {
  const told = (name: FigureName) => {
    const figure = props.figures.find((each) => each.name === name && each.of === null)
    return `${figures[name].title}: ${valueOf(figure)}`
  }
  return (
    <section class="controls">
      <h2>What auditors ask for</h2>
      <p class="muted">In our words and in short: the framework's own text decides.</p>
      <For each={props.controls}>
        {(control) => (
          <article class="control">
            <h3>
              {control.framework} <strong>{control.control}</strong>
            </h3>
            <dl>
              <dt>Asks</dt>
              <dd>{control.asks}</dd>
              <dt>Answer</dt>
              <dd>{control.answer}</dd>
              <Show when={control.figures.length > 0}>
                <dt>Figures</dt>
                <dd>{control.figures.map(told).join(' · ')}</dd>
              </Show>
              <dt>Tests</dt>
              <dd class="files">
                <For each={control.tests}>{(file) => <code>{file}</code>}</For>
              </dd>
              <dt>Not covered</dt>
              <dd>{control.notCovered}</dd>
            </dl>
          </article>
        )}
      </For>
    </section>
  )
}

function valueOf(figure: Figure | undefined): string {
  if (figure === undefined || figure.value === null) return '–'
  return figure.unit === 'count' ? number(figure.value) : duration(figure.value)
}

function isWorry(figure: Figure | undefined): boolean {
  return figure !== undefined && worries.has(figure.name) && (figure.value ?? 0) > 0
}

/** The month that the address asks for. */
function askedMonth(): string | undefined {
  const asked = new URLSearchParams(location.search).get('month') ?? ''
  return /^\d{4}-\d\d$/.test(asked) ? asked : undefined
}

function monthOf(at: number): string {
  return new Date(at).toISOString().slice(0, 7)
}

function monthBeside(month: string, by: -1 | 1): string {
  const [year = 0, number = 1] = month.split('-').map(Number)
  return monthOf(Date.UTC(year, number - 1 + by))
}
