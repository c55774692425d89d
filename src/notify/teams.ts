// Microsoft Teams through a Workflows webhook ("When a Teams webhook request is received"), which posts an Adaptive Card
// (learn.microsoft.com/adaptive-cards). Everything anyone wrote stands in TextRuns: a TextBlock would read it as markdown.

import type { Clock } from '../clock.ts'
import type { Alert } from '../session/state.ts'
import type { Channel } from './channel.ts'
import { postingUrl, postJson, printable, receiptOf, refusal } from './http-post.ts'
import { messageOf, type Message } from './message.ts'
import { plainText } from './plain-text.ts'

export interface TeamsOptions {
  readonly name: string
  /** The workflow's URL: its signature lets anyone post, so it is a secret. */
  readonly url: string
  readonly outside: boolean
  readonly clock: Clock
}

/** Type and id of an alert in the card's last line. */
const longestReference = 150

/** A channel that posts to Teams. Throws `config_invalid` for a URL that cannot be used. */
export function teamsChannel({ name, url: text, outside, clock }: TeamsOptions): Channel {
  const what = `teams ${name}`
  const url = postingUrl(what, text)
  return {
    name,
    outside,
    deliver: async (alert, signal) => {
      const answer = await postJson({ what, url, clock }, JSON.stringify(teamsMessage(alert)), {}, signal)
      // A workflow has taken it with 202. The older connectors said 200 and `1`, and 200 with an error text when Teams refused.
      const said = printable(answer.body.toString('latin1'))
      if (answer.status === 202 || (answer.status === 200 && (said === '' || said === '1')))
        return { receipt: receiptOf(answer) }
      throw refusal(what, answer, answer.status === 200 ? 'did not say that it was taken' : undefined)
    },
  }
}

/** The body to post: a message with one Adaptive Card. */
export function teamsMessage(alert: Alert): Readonly<Record<string, unknown>> {
  const message = messageOf(alert)
  const card = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.4',
    msteams: { width: 'Full' },
    fallbackText: message.title,
    body: [
      richText([run(message.title, { weight: 'bolder', size: 'medium', color: colorOf(message) })]),
      ...message.facts.map(({ name, value }) => richText([run(`${name}: `, { isSubtle: true }), run(value, {})])),
      richText([run(plainText(`${alert.type} ${alert.id}`, longestReference), { isSubtle: true, size: 'small' })]),
    ],
    ...(message.link === null
      ? {}
      : { actions: [{ type: 'Action.OpenUrl', title: 'Look at it in Halligan', url: message.link }] }),
  }
  return {
    type: 'message',
    summary: message.title,
    attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content: card }],
  }
}

function richText(inlines: readonly unknown[]): Readonly<Record<string, unknown>> {
  return { type: 'RichTextBlock', inlines }
}

function run(text: string, style: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return { type: 'TextRun', text, ...style }
}

function colorOf({ severity }: Message): string {
  switch (severity) {
    case 'critical':
    case 'error':
      return 'attention'
    case 'warning':
      return 'warning'
    case 'notice':
    case 'info':
      return 'default'
  }
}
