// Names of users, targets and accounts. They stand in login names, prompts, file names and alerts, so they are a plain
// subset of ASCII; users, targets and commands share one namespace because one login name can mean any of them.

/** Longer names break tables and banners; Linux login names end at 32. */
export const MAX_NAME_LENGTH = 64

/** What `ssh alice@bastion COMMAND` understands (design §12), with the local ones: no user or target may be called so. */
export const commandNames: readonly string[] = [
  'help whoami targets policy request grants extend end dsn env config web enrol bypass keys sessions show play search',
  'pending approve deny lift reviews review who tail msg kill lock unlock locks revoke confirm audit drill report',
  'alerts init serve demo user target check postgres doctor migrate verify export backup continue halligan',
].flatMap((line) => line.split(' '))

/**
 * What is wrong with a user, target or account name, or undefined when it may be used: 1 to 64 of `A-Z a-z 0-9 . _ -`,
 * the first a letter, digit or underscore. So it holds none of `+ @ : # /` or space (design §2) and is never an option.
 */
export function nameProblem(name: string): string | undefined {
  if (name === '') return 'is empty'
  if (name.length > MAX_NAME_LENGTH) return `has ${name.length} characters, at most ${MAX_NAME_LENGTH} are allowed`
  const forbidden = /[^A-Za-z0-9._-]/u.exec(name)
  if (forbidden !== null) return `contains ${described(forbidden[0])}`
  // JavaScript's own; as a key of an object it would vanish.
  if (name === '__proto__') return 'is reserved'
  if (/^[.-]/.test(name)) return `starts with ${described(name[0] ?? '')}`
  return undefined
}

function described(character: string): string {
  if (character === ' ') return 'a space'
  if (/^[!-~]$/.test(character)) return `"${character}"`
  return `the character U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`
}

/** Names that differ in case only are one name: people type them at night. */
export function nameKey(name: string): string {
  return name.toLowerCase()
}
