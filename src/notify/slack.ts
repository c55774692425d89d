// Slack's incoming webhooks (docs.slack.dev/messaging/sending-messages-using-incoming-webhooks) with Block Kit. Everything
// anyone wrote stands in `plain_text`, where Slack makes neither mentions nor links; the fallback text is escaped.

import type { Clock } from '../clock.ts'
import type { Alert } from '../session/state.ts'
import type { Channel } from './channel.ts'
import { postingUrl, postJson, receiptOf, refusal } from './http-post.ts'
import { factLines, messageOf } from './message.ts'
import { cut, plainText } from './plain-text.ts'

export interface SlackOptions {
  readonly name: string
  /** The webhook's URL: whoever knows it may post, so it is a secret. */
  readonly url: string
  readonly outside: boolean
  readonly clock: Clock
}

/** Limits of Block Kit: a header's text, a section's text. */
const longestHeader = 150
const longestSection = 3000

/** A channel that posts to Slack. Throws `config_invalid` for a URL that cannot be used. */
export function slackChannel({ name, url: text, outside, clock }: SlackOptions): Channel {
  const what = `slack ${name}`
  const url = postingUrl(what, text)
  return {
    name,
    outside,
    deliver: async (alert, signal) => {
      const answer = await postJson({ what, url, clock }, JSON.stringify(slackMessage(alert)), {}, signal)
      if (answer.status !== 200) throw refusal(what, answer)
      // Slack says `ok` and nothing else: a 200 from a proxy or a sign-in page in between is not Slack's.
      if (answer.body.toString('latin1').trim() !== 'ok') throw refusal(what, answer, 'did not say ok')
      return { receipt: receiptOf(answer) }
    },
  }
}

/** The body to post: `text` is what notifications and screen readers get. */
export function slackMessage(alert: Alert): Readonly<Record<string, unknown>> {
  const message = messageOf(alert)
  const lines = factLines(message)
  const blocks: unknown[] = [{ type: 'header', text: plain(cut(message.title, longestHeader)) }]
  for (const text of paragraphs(lines.map(escapeSlack)))
    blocks.push({ type: 'section', text: { type: 'plain_text', text, emoji: false } })
  if (message.link !== null)
    blocks.push({
      type: 'section',
      text: { type: 'mrkdwn', text: `<${escapeSlack(message.link)}|Look at it in Halligan>` },
    })
  blocks.push({ type: 'context', elements: [plain(plainText(`${alert.type} ${alert.id}`, longestHeader))] })
  return {
    text: [message.title, ...lines].map(escapeSlack).join('\n'),
    mrkdwn: false,
    link_names: false,
    parse: 'none',
    unfurl_links: false,
    unfurl_media: false,
    blocks,
  }
}

/** Slack's three control characters (docs.slack.dev/messaging/formatting-message-text): without `<` there is no `<!channel>`. */
export function escapeSlack(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function plain(text: string): Readonly<Record<string, unknown>> {
  return { type: 'plain_text', text: escapeSlack(text), emoji: false }
}

/** Lines joined to as few texts as Slack's limit allows. A line that is longer by itself (all of it escaped) has its own. */
function paragraphs(lines: readonly string[]): string[] {
  const texts: string[] = []
  for (const line of lines) {
    const last = texts.at(-1)
    if (last !== undefined && last.length + 1 + line.length <= longestSection)
      texts[texts.length - 1] = `${last}\n${line}`
    else texts.push(line)
  }
  return texts
}
