// What ssh calls to ask a person for something: a program that hands the prompt over as a file and waits for another one
// with the answer. No terminal is needed, and only what is asked is typed.
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** How often it is looked whether something is asked. */
const LOOK_MS = 20

const script = `#!/bin/sh
printf '%s' "$1" > "$ASKED/$$.new" && mv "$ASKED/$$.new" "$ASKED/$$.asked"
while [ ! -e "$ASKED/$$.answer" ]; do sleep 0.02; [ -d "$ASKED" ] || exit 1; done
cat "$ASKED/$$.answer"
`

export class Askpass {
  /** What was asked, in order. */
  readonly prompts: string[] = []
  /** For a prompt that nobody answers. */
  hangUp: () => void = () => undefined
  readonly #program: string
  readonly #asked: string
  readonly #seen = new Set<string>()
  readonly #answer: (prompt: string) => Promise<string | undefined>
  readonly #timer: NodeJS.Timeout

  constructor(folder: string, answer: (prompt: string) => Promise<string | undefined>) {
    this.#program = join(folder, 'askpass')
    if (!existsSync(this.#program)) {
      // In one step: another client may be about to start it.
      writeFileSync(`${this.#program}.new`, script, { mode: 0o700 })
      renameSync(`${this.#program}.new`, this.#program)
    }
    this.#asked = mkdtempSync(join(folder, 'asked-'))
    this.#answer = answer
    this.#timer = setInterval(() => this.#look(), LOOK_MS)
  }

  /** What ssh must have in its environment. */
  get env(): Record<string, string> {
    return { SSH_ASKPASS: this.#program, SSH_ASKPASS_REQUIRE: 'force', ASKED: this.#asked }
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    for (const file of readdirSync(this.#asked)) {
      if (!file.endsWith('.asked') || this.#seen.has(file)) continue
      this.#seen.add(file)
      const prompt = readFileSync(join(this.#asked, file), 'utf8')
      this.prompts.push(prompt)
      void this.#answer(prompt).then((answer) => {
        if (answer === undefined) return this.hangUp()
        const to = join(this.#asked, file.replace(/asked$/, 'answer'))
        writeFileSync(`${to}.new`, `${answer}\n`, { mode: 0o600 })
        renameSync(`${to}.new`, to)
      })
    }
  }
}
