// The page one came for. An alert's link is followed by someone who is not signed in yet; the link that signs them in is
// another one, perhaps in another tab. Where they were going is remembered for as long as signing in takes.

const KEY = 'halligan.return-to'

/** Find the laptop, ask for a link, open it. */
const REMEMBERED_MS = 10 * 60_000

/** Remembers the page shown now, unless it is the first one. */
export function rememberPlace(): void {
  if (location.pathname === '/') return
  store((storage) => storage.setItem(KEY, JSON.stringify({ path: location.pathname, at: Date.now() })))
}

/** Where to go after signing in, once; undefined: stay. */
export function recallPlace(): string | undefined {
  const kept = store((storage) => {
    const text = storage.getItem(KEY)
    storage.removeItem(KEY)
    return text
  })
  const place = kept === undefined || kept === null ? undefined : readPlace(kept)
  return location.pathname === '/' ? place : undefined
}

function readPlace(text: string): string | undefined {
  const { path, at } = parse(text)
  const isOurs = typeof path === 'string' && /^\/[\w/-]{1,100}$/.test(path) && !path.startsWith('//')
  const ageMs = typeof at === 'number' ? Date.now() - at : NaN
  return isOurs && ageMs >= 0 && ageMs < REMEMBERED_MS ? path : undefined
}

function parse(text: string): { readonly path?: unknown; readonly at?: unknown } {
  try {
    return (JSON.parse(text) ?? {}) as { path?: unknown; at?: unknown }
  } catch {
    return {}
  }
}

/** A browser may refuse to keep anything: then nothing is remembered. */
function store<T>(use: (storage: Storage) => T): T | undefined {
  try {
    return use(localStorage)
  } catch {
    return undefined
  }
}
