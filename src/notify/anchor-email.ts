// Checkpoints by mail: in the text for people, and as a file that `halligan verify --checkpoint` takes. An archive of
// mail is kept by somebody else than whoever runs the machine.

import type { Clock } from '../clock.ts'
import type { Anchor } from '../ledger/anchor.ts'
import { mailer, type EmailOptions } from './email.ts'
import { checkpointId } from './anchor-webhook.ts'

export interface AnchorEmailOptions extends EmailOptions {
  readonly clock: Clock
}

/** A place that is a mail box. Throws `config_invalid` as an e-mail channel does. */
export function emailAnchor(options: AnchorEmailOptions): Anchor {
  const { name, outside, hostname, clock } = options
  const mail = mailer(`anchor ${name}`, options)
  return {
    name,
    outside,
    publish: async (checkpoint, signal) => {
      const [origin = '', size = ''] = checkpoint.split('\n')
      const number = checkpointId(checkpoint)
      const letter = {
        messageId: `<${number}@${hostname}>`,
        // All checkpoints of one ledger in one thread.
        references: `<checkpoints-${origin.replaceAll(/[^A-Za-z0-9]/g, '-')}@${hostname}>`,
        subject: `Halligan: the ledger has ${size} leaves`,
        text: textOf(checkpoint, size, hostname),
        number,
        at: clock.now(),
        files: { [`checkpoint-${size}.txt`]: checkpoint },
      }
      return await mail(letter, signal)
    },
  }
}

function textOf(checkpoint: string, size: string, hostname: string): string {
  return [
    `This is the signed head of the ledger on ${hostname}, over its first ${size} leaves.`,
    'Keep this mail: whoever has it can tell whether anything before it was changed or cut off.',
    '',
    checkpoint,
    `To check: halligan verify --all --key halligan.pub --checkpoint checkpoint-${size}.txt`,
    'This message asks for nothing and lets nobody in.',
    '',
  ].join('\n')
}
