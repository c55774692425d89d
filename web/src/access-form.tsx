// Breaking the glass from the page: one form, and beside it, as it is filled in, what it would become.

import { createEffect, createMemo, createSignal, For, Show, type JSX } from 'solid-js'
import type { RequestList, RequestOffer, RequestOutcome } from '../../src/http/api.ts'
import type { Offer } from '../../src/procedure/offer.ts'
import { get, post } from './api.ts'
import { version } from './feed.ts'
import { duration } from './format.ts'
import { Icon } from './icons.tsx'
import { sentence } from './notes.tsx'
import { createQuery } from './query.ts'
import { go } from './router.tsx'
import { CodeField, createAct } from './step-up.tsx'

type Open = Extract<Offer, { kind: 'open' }>

const MINUTE_MS = 60_000
const durations = [15, 30, 60, 120, 240].map((minutes) => minutes * MINUTE_MS)

export function RequestForm(props: {
  readonly targets: RequestList['targets']
  readonly onAsked: () => void
}): JSX.Element {
  const [chosen, setChosen] = createSignal(0)
  const [trigger, setTrigger] = createSignal('')
  const [reason, setReason] = createSignal('')
  const [incident, setIncident] = createSignal('')
  const [durationMs, setDurationMs] = createSignal('')
  const act = createAct()
  const place = () => props.targets[chosen()] ?? props.targets[0]
  const query = createMemo(() => {
    const asked = new URLSearchParams({ target: place()?.target ?? '', account: place()?.account ?? '' })
    if (trigger() !== '') asked.set('trigger', trigger())
    if (durationMs() !== '') asked.set('durationMs', durationMs())
    return asked.toString()
  })
  // A denial or a lifted one changes what would be got.
  const preview = createQuery(
    () => `${query()} ${version('grants')()}`,
    async () => (await get<RequestOffer>(`/api/requests/preview?${query()}`)).offer,
  )
  const offer = () => preview.data()
  const open = () => {
    const now = offer()
    return now?.kind === 'open' ? now : undefined
  }

  // The rule hangs on the trigger: what is shown is for the one that is chosen.
  createEffect(() => {
    const known = open()?.triggers ?? []
    if (known.length > 0 && !known.includes(trigger())) setTrigger(known[0] ?? '')
  })

  const ask = (event: SubmitEvent) => {
    event.preventDefault()
    void act.run(async () => {
      const { target, account } = place() ?? { target: '', account: '' }
      const answer = await post<RequestOutcome>('/api/requests', {
        target,
        account,
        reason: reason(),
        trigger: trigger(),
        ...(incident().trim() === '' ? {} : { incident: incident().trim() }),
        ...(durationMs() === '' ? {} : { durationMs: Number(durationMs()) }),
        ...(act.needsCode() === false ? {} : { code: act.code() }),
      })
      setReason('')
      props.onAsked()
      go(`/requests/${answer.request.grant.id}`)
    })
  }

  return (
    <section class="ask" aria-labelledby="ask-title">
      <h2 id="ask-title">Break the glass</h2>
      <div class="ask-grid">
        <form onSubmit={ask}>
          <label class="field">
            <span>On</span>
            <select name="target" onChange={(event) => setChosen(event.currentTarget.selectedIndex)}>
              <For each={props.targets}>
                {({ target, account }, index) => (
                  <option value={index()} selected={index() === chosen()}>
                    {account}@{target}
                  </option>
                )}
              </For>
            </select>
          </label>
          <label class="field">
            <span>Trigger</span>
            <select name="trigger" onChange={(event) => setTrigger(event.currentTarget.value)}>
              <For each={open()?.triggers ?? []}>
                {(name) => (
                  <option value={name} selected={name === trigger()}>
                    {name}
                  </option>
                )}
              </For>
            </select>
          </label>
          <label class="field">
            <span>Reason</span>
            <input
              name="reason"
              type="text"
              required
              minlength={open()?.reasonMinLength ?? 1}
              maxlength="1000"
              autocomplete="off"
              placeholder="for everyone who is told, and for the review"
              value={reason()}
              onInput={(event) => setReason(event.currentTarget.value)}
            />
          </label>
          <div class="field-row">
            <label class="field">
              <span>Incident</span>
              <input
                name="incident"
                type="text"
                maxlength="100"
                autocomplete="off"
                placeholder={
                  open()?.missing.includes('incident') === true ? 'needed, here or in the reason' : 'if there is one'
                }
                value={incident()}
                onInput={(event) => setIncident(event.currentTarget.value)}
              />
            </label>
            <label class="field">
              <span>For</span>
              <select name="duration" onChange={(event) => setDurationMs(event.currentTarget.value)}>
                <option value="">as usual</option>
                <For each={durations.filter((each) => each <= (open()?.maxMs ?? 0))}>
                  {(each) => <option value={each}>{span(each)}</option>}
                </For>
              </select>
            </label>
          </div>
          <CodeField act={act} hint="or the code of whoever vouches for you" />
          <Show when={open()?.required === 0}>
            <p class="loud" role="note">
              <Icon name="warning" />
              Nobody approves this. Everyone is told at once.
            </p>
          </Show>
          <div class="actions">
            <button
              class="button button-danger button-fill"
              type="submit"
              disabled={act.isBusy() || open() === undefined}
            >
              {act.isBusy() ? 'One moment…' : open()?.required === 0 ? 'Break the glass' : 'Ask for approval'}
            </button>
          </div>
        </form>
        <Show when={offer()} fallback={<p class="muted">Looking what that would give…</p>}>
          {(now) => <Preview offer={now()} />}
        </Show>
      </div>
    </section>
  )
}

function Preview(props: { readonly offer: Offer }): JSX.Element {
  const open = (): Open | undefined => (props.offer.kind === 'open' ? props.offer : undefined)
  const denied = () => (props.offer.kind === 'deny' ? props.offer : undefined)
  return (
    <aside class="preview" aria-label="What you would get" aria-live="polite">
      <Show when={denied()}>
        {(refused) => (
          <>
            <h3>Not now</h3>
            <p>{sentence(refused().message)}</p>
            <Show when={refused().hint}>{(hint) => <p class="muted">{sentence(hint())}</p>}</Show>
            <p class="muted">
              Decided by <code>{refused().rule}</code>
            </p>
          </>
        )}
      </Show>
      <Show when={open()}>
        {(got) => (
          <>
            <h3>What you would get</h3>
            <dl>
              <Fact name="Access" value={`${got().account}@${got().target}`} />
              <Fact name="Opens" value={scopeWords(got())} />
              <Fact name="For" value={`${span(got().durationMs)} of at most ${span(got().maxMs)}`} />
              <Fact
                name="Approval"
                value={
                  got().required === 0
                    ? 'none: self-activation'
                    : `${got().required} of ${got().approvers.join(', ') || 'nobody who could give it now'}`
                }
              />
              <Show when={got().required > 0}>
                <Fact
                  name="Alone"
                  value={
                    got().overrideAfterMs === null
                      ? 'never'
                      : `after ${span(got().overrideAfterMs ?? 0)}, with a longer reason; those skipped are told`
                  }
                />
              </Show>
              <Show when={got().checks.length > 0}>
                <Fact
                  name="Checks"
                  value={got()
                    .checks.map(({ check }) => check)
                    .join(', ')}
                />
              </Show>
              <Fact name="Told" value={got().told.join(', ') || 'no channel is configured'} />
              <Fact name="Review" value={`within ${span(got().reviewWithinMs)}; everything is recorded`} />
              <Fact name="Rule" value={got().rule} />
            </dl>
            <Show when={got().note}>{(note) => <p class="loud">{sentence(note())}</p>}</Show>
          </>
        )}
      </Show>
    </aside>
  )
}

function Fact(props: { readonly name: string; readonly value: string }): JSX.Element {
  return (
    <div>
      <dt>{props.name}</dt>
      <dd>{props.value}</dd>
    </div>
  )
}

function scopeWords({ scope: { databases, schemas, commands, files } }: Open): string {
  const parts = [
    ...(databases.length === 0 ? [] : [`databases ${databases.join(', ')}`]),
    ...(schemas.length === 0 ? [] : [`schemas ${schemas.join(', ')}`]),
    ...(commands.length === 0 ? [] : [`only ${commands.join(', ')}`]),
    ...(commands.length > 0 && files ? ['sftp'] : []),
  ]
  return parts.length === 0 ? 'all of it' : parts.join('; ')
}

/** `30 min`, `1 h 30 min`: a span that was chosen, without the zeros. */
export function span(ms: number): string {
  return duration(ms).replace(' 0 s', '').replace(' 0 min', '')
}
