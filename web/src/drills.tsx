// Rehearsals: what was run and how it went, step by step; what is due; and, for admins, starting one.

import { createSignal, For, Show, type JSX } from 'solid-js'
import type { DrillDetail, DrillList, Me, StepUp } from '../../src/http/api.ts'
import type { DrillReport, DrillStory, DrillSummary } from '../../src/procedure/drill.ts'
import { get, post, Problem } from './api.ts'
import { version } from './feed.ts'
import { duration, utc, visible, when } from './format.ts'
import { Icon } from './icons.tsx'
import { Empty, Failure, Loading } from './notes.tsx'
import { DrillBadge, Ready } from './overview.tsx'
import { createQuery } from './query.ts'
import { go, Link } from './router.tsx'
import { learnTime, serverNow } from './server-time.ts'
import { CodeInput, Refusal } from './step-up.tsx'

export function DrillsPage(props: { readonly me: Me }): JSX.Element {
  const list = createQuery(version('drills'), async () => {
    const answer = await get<DrillList>('/api/drills')
    learnTime(answer.now)
    return answer
  })
  const [isStarting, setStarting] = createSignal(false)
  const mayStart = () => props.me.roles.includes('admin')
  const isRunning = () => list.data()?.runs[0]?.outcome === 'running'
  return (
    <div class="page">
      <header class="page-head">
        <h1>Drills</h1>
        <Show when={mayStart()}>
          <button
            class="button button-main"
            type="button"
            disabled={isRunning() || isStarting()}
            onClick={() => setStarting(true)}
          >
            {isRunning() ? 'A drill is running' : 'Rehearse now'}
          </button>
        </Show>
      </header>
      <Show when={isStarting()}>
        <StartForm
          stories={list.data()?.stories ?? []}
          schedule={list.data()?.schedule ?? []}
          onClose={() => setStarting(false)}
          onDone={(id) => go(`/drills/${id}`)}
        />
      </Show>
      <Show
        when={list.data()}
        fallback={
          <Show when={list.error()} fallback={<Loading what="drills" />}>
            <Failure error={list.error()} onRetry={list.again} />
          </Show>
        }
      >
        {(drills) => (
          <>
            <Runs runs={drills().runs} />
            <Show when={drills().schedule.length > 0}>
              <Schedule schedule={drills().schedule} />
            </Show>
            <Ready readiness={drills().readiness} />
            <Stories stories={drills().stories} />
          </>
        )}
      </Show>
    </div>
  )
}

function Runs(props: { readonly runs: readonly DrillSummary[] }): JSX.Element {
  return (
    <Show
      when={props.runs.length > 0}
      fallback={<Empty title="Nothing has been rehearsed yet">An admin can start the first drill.</Empty>}
    >
      <ul class="drill-runs" aria-label="Runs">
        <For each={props.runs}>
          {(run) => (
            <li>
              <DrillBadge outcome={run.outcome} />
              <Link href={`/drills/${run.id}`}>{visible(run.name)}</Link>
              <span>
                {run.passed} passed, {run.failed} failed
              </span>
              <span class="muted">
                <time title={utc(run.startedAt)}>{when(run.startedAt, serverNow())}</time> by {visible(run.by)}
              </span>
            </li>
          )}
        </For>
      </ul>
    </Show>
  )
}

function Schedule(props: { readonly schedule: DrillList['schedule'] }): JSX.Element {
  return (
    <section class="card" aria-labelledby="schedule">
      <h2 id="schedule">Schedule</h2>
      <ul class="troubled">
        <For each={props.schedule}>
          {({ name, everyMs, dueAt, isMissed }) => (
            <li classList={{ 'is-bad': isMissed }}>
              <strong>{visible(name)}</strong> every {duration(everyMs)}, due {when(dueAt, serverNow())}
              {isMissed ? ': left undone' : ''}
            </li>
          )}
        </For>
      </ul>
    </section>
  )
}

function Stories(props: { readonly stories: DrillList['stories'] }): JSX.Element {
  return (
    <section class="card" aria-labelledby="stories">
      <h2 id="stories">Stories</h2>
      <ul class="troubled">
        <For each={props.stories}>
          {({ name, title, proves, why }) => (
            <li>
              <code>{name}</code> {visible(title)} <span class="muted">{proves.join(', ')}</span>
              <Show when={why}>{(reason) => <small class="muted"> Left out: {visible(reason())}</small>}</Show>
            </li>
          )}
        </For>
      </ul>
    </section>
  )
}

/** A rehearsal breaks the glass on canaries: it asks for a code when none was given lately. */
function StartForm(props: {
  readonly stories: DrillList['stories']
  readonly schedule: DrillList['schedule']
  readonly onDone: (id: string) => void
  readonly onClose: () => void
}): JSX.Element {
  const [name, setName] = createSignal('')
  const [needsCode, setNeedsCode] = createSignal(false)
  const [code, setCode] = createSignal('')
  const [problem, setProblem] = createSignal<Problem>()
  const [isBusy, setBusy] = createSignal(false)
  const act = async (event: SubmitEvent) => {
    event.preventDefault()
    setBusy(true)
    setProblem(undefined)
    try {
      if (needsCode()) {
        await post<StepUp>('/api/step-up', { code: code() })
        setNeedsCode(false)
      }
      const { id } = await post<{ readonly id: string }>('/api/drills', name() === '' ? {} : { name: name() })
      props.onDone(id)
    } catch (error) {
      const refused = error instanceof Problem ? error : new Problem(0, {})
      setProblem(refused)
      setCode('')
      if (['mfa_required', 'code_wrong', 'code_replayed'].includes(refused.code)) setNeedsCode(true)
    } finally {
      setBusy(false)
    }
  }
  return (
    <form class="card drill-start" aria-label="Rehearse now" onSubmit={(event) => void act(event)}>
      <p>
        People made for this run break the glass on canary targets, over the real ports. Alerts go out, marked as a
        drill.
      </p>
      <label class="field">
        <span>What</span>
        <select name="name" value={name()} onChange={(event) => setName(event.currentTarget.value)}>
          <option value="">Every story</option>
          <For each={props.schedule}>{(drill) => <option value={drill.name}>Drill {drill.name}</option>}</For>
          <For each={props.stories.filter(({ why }) => why === null)}>
            {(story) => <option value={story.name}>{story.title}</option>}
          </For>
        </select>
      </label>
      <Show when={needsCode()}>
        <CodeInput code={code()} onCode={setCode} field={(element) => queueMicrotask(() => element.focus())} />
      </Show>
      <Refusal problem={problem()} />
      <div class="actions">
        <button class="button button-main" type="submit" disabled={isBusy()}>
          {isBusy() ? 'One moment…' : 'Start the drill'}
        </button>
        <button class="button" type="button" onClick={() => props.onClose()}>
          Cancel
        </button>
      </div>
    </form>
  )
}

export function DrillPage(props: { readonly id: string }): JSX.Element {
  const detail = createQuery(
    () => `${props.id} ${version('drills')()}`,
    async () => {
      const answer = await get<DrillDetail>(`/api/drills/${props.id}`)
      learnTime(answer.now)
      return answer
    },
  )
  return (
    <div class="page">
      <Show
        when={detail.data()}
        fallback={
          <Show when={detail.error()} fallback={<Loading what="the drill" />}>
            <Failure error={detail.error()} onRetry={detail.again} />
          </Show>
        }
      >
        {(found) => (
          <>
            <header class="page-head">
              <h1>
                Drill {found().run.id} <DrillBadge outcome={found().run.outcome} />
              </h1>
              <Link href="/drills">All drills</Link>
            </header>
            <p class="muted">
              {visible(found().run.name)}, started{' '}
              <time title={utc(found().run.startedAt)}>{when(found().run.startedAt, serverNow())}</time> by{' '}
              {visible(found().run.by)}
            </p>
            <Show
              when={found().report}
              fallback={
                <div class="note" role="status">
                  <span class="spinner" aria-hidden="true" />
                  <p>Rehearsing. This page shows the report when it is over; it takes about a minute.</p>
                </div>
              }
            >
              {(report) => <Report report={report()} />}
            </Show>
          </>
        )}
      </Show>
    </div>
  )
}

function Report(props: { readonly report: DrillReport }): JSX.Element {
  const figures = () => props.report.figures
  const time = (ms: number | null) => (ms === null ? 'not measured' : duration(ms))
  return (
    <>
      <Show when={props.report.cut}>
        {(why) => (
          <p class="is-bad">
            <Icon name="warning" /> This run did not come to its end: {visible(why())}.
          </p>
        )}
      </Show>
      <dl class="drill-figures">
        <div>
          <dt>Time to access</dt>
          <dd>{time(figures().accessMs)}</dd>
        </div>
        <div>
          <dt>Time to alert</dt>
          <dd>{time(figures().alertMs)}</dd>
        </div>
        <div>
          <dt>Time to kill</dt>
          <dd>{time(figures().killMs)}</dd>
        </div>
        <div>
          <dt>Took</dt>
          <dd>{duration(props.report.endedAt - props.report.startedAt)}</dd>
        </div>
      </dl>
      <ul class="drill-stories">
        <For each={props.report.stories}>{(story) => <Played story={story} />}</For>
      </ul>
      <Ready readiness={props.report.readiness} />
    </>
  )
}

function Played(props: { readonly story: DrillStory }): JSX.Element {
  const words = { passed: 'Passed', failed: 'Failed', 'left-out': 'Left out' } as const
  const story = () => props.story
  return (
    <li>
      <details open={story().outcome === 'failed'}>
        <summary>
          <span
            class="badge"
            classList={{ 'badge-live': story().outcome === 'passed', 'badge-bad': story().outcome === 'failed' }}
          >
            {words[story().outcome]}
          </span>{' '}
          {visible(story().title)} <span class="muted">{story().proves.join(', ')}</span>
        </summary>
        <Show when={story().why}>{(why) => <p class="muted">{visible(why())}</p>}</Show>
        <ol class="drill-steps">
          <For each={story().steps}>
            {(step) => (
              <li
                classList={{
                  'is-bad': step.outcome === 'not-as-expected',
                  'is-faint': step.outcome === 'not-reached',
                }}
              >
                <code>{visible(step.text)}</code>
                <small>
                  <Show when={step.outcome !== 'not-reached'} fallback="not reached">
                    <Show when={step.outcome === 'not-as-expected'}>expected {visible(step.expected)}, got </Show>
                    {visible(step.actual)} · {duration(step.ms)}
                  </Show>
                </small>
              </li>
            )}
          </For>
        </ol>
      </details>
    </li>
  )
}
