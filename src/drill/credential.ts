// How a person of a story logs in, and what they type when they are asked.

import { HalliganError } from '../errors.ts'
import type { Actor } from './actor.ts'
import type { SshLogin } from './ssh-client.ts'
import type { Credential } from './step.ts'

/** Logs in as `login`. A wrong, a used or no code is shown with the other key: nothing is remembered for that one. */
export function loginOf(actor: Actor, login: string, credential: Credential): SshLogin {
  const isUsual = credential === 'its code'
  let codes = 0
  const answer: SshLogin['answer'] = async (prompt, at) => {
    // Whatever else is asked is not told: nothing in an empty line breaks the glass.
    if (!prompt.endsWith('Code: ')) return at === 'login' ? '' : undefined
    if (credential === 'no code') return ''
    // Asked again, it was not taken: enough is known, and more would count as guessing.
    if (++codes > 1) return undefined
    if (isUsual) return actor.code()
    if (credential === 'a wrong code') return actor.wrongCode
    if (actor.usedCode === undefined) throw new HalliganError('usage', `${actor.name} has not used a code yet`)
    return actor.usedCode
  }
  return { login, privateKey: actor.keys[isUsual ? 0 : 1], answer }
}

/** The words of a command as one line, as `splitCommand` reads it. */
export function commandLine(words: readonly string[]): string {
  return words.map(quote).join(' ')
}

function quote(word: string): string {
  return /^[\w./:@%+,=-]+$/.test(word) ? word : `"${word.replace(/["\\$`]/g, '\\$&')}"`
}
