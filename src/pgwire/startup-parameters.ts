// Which start-up parameters go on to the target. Settings that change who one is, or how the session may be recorded,
// do not; what is left out is named, so that the user can be told.

const ALLOWED = new Map(
  [
    'client_encoding',
    'DateStyle',
    'TimeZone',
    'IntervalStyle',
    'bytea_output',
    'extra_float_digits',
    'geqo',
    'search_path',
    'statement_timeout',
    'lock_timeout',
    'idle_in_transaction_session_timeout',
    'default_transaction_isolation',
    'default_transaction_read_only',
    'jit',
    'work_mem',
  ].map((name) => [name.toLowerCase(), name]),
)

/** Longest application name the server keeps (NAMEDATALEN - 1). */
const APPLICATION_NAME_BYTES = 63

export interface PassedParameters {
  readonly passed: ReadonlyMap<string, string>
  /** Names of what is not passed on. */
  readonly dropped: readonly string[]
  readonly application: string
}

/** Splits a client's parameters; `user`, `database`, `application_name` and `replication` are the caller's to read. */
export function passParameters(parameters: ReadonlyMap<string, string>): PassedParameters {
  const passed = new Map<string, string>()
  const dropped: string[] = []
  const take = (name: string, value: string) => {
    const known = ALLOWED.get(name.toLowerCase())
    if (known === undefined) dropped.push(name)
    else passed.set(known, value)
  }
  for (const [name, value] of parameters) {
    if (name === 'user' || name === 'database' || name === 'application_name' || name === 'replication') continue
    if (name === 'options') for (const option of splitOptions(value)) take(option.name, option.value)
    else take(name, value)
  }
  return { passed, dropped, application: parameters.get('application_name') ?? '' }
}

/** `options` as the server splits it: blanks separate, a backslash keeps the next character (pg_split_opts). */
function splitOptions(text: string): { name: string; value: string }[] {
  const words = [...text.matchAll(/(?:\\.|[^\s\\])+/gs)].map(([word]) => word.replace(/\\(.)/gs, '$1'))
  const settings: { name: string; value: string }[] = []
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? ''
    const setting =
      word === '-c' ? (words[++i] ?? '') : word.startsWith('-c') || word.startsWith('--') ? word.slice(2) : undefined
    const split = setting?.indexOf('=') ?? -1
    if (setting === undefined || split < 0) settings.push({ name: word, value: '' })
    else settings.push({ name: setting.slice(0, split).replaceAll('-', '_'), value: setting.slice(split + 1) })
  }
  return settings
}

/** True unless `replication` plainly says no: the server takes any unambiguous beginning of a boolean word, or `database`. */
export function asksForReplication(parameters: ReadonlyMap<string, string>): boolean {
  const value = parameters.get('replication')
  return value !== undefined && !/^(f|false|n|no|of|off|0)$/i.test(value)
}

/** The client's application name with the session's id behind it, within what the server keeps. */
export function applicationName(application: string, session: string): string {
  const suffix = ` [${session}]`
  let name = application.replace(/[^\x20-\x7e]/g, '?')
  name = name.slice(0, APPLICATION_NAME_BYTES - suffix.length)
  return `${name}${suffix}`.trimStart()
}

/** The session an application name carries as `applicationName` put it there; undefined when there is none. */
export function applicationSession(application: string): string | undefined {
  return /(?:^| )\[(s[a-z2-7]{12})\]$/.exec(application)?.[1]
}
