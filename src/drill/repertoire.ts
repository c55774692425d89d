// The stories there are: text files of one folder, read anew for each run.

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseStory, type ParsedStory } from './story.ts'
import type { Place, Story } from './step.ts'

export interface Listed {
  /** File name without `.txt`. */
  readonly name: string
  readonly parsed: ParsedStory
}

/** Files of a story folder: some dozens. */
const MOST_STORIES = 200
/** Longer than any story may be. */
const MOST_BYTES = 100_000

/** Reads every story of `folder` for drills, by name; none where the folder is not there. */
export async function repertoire(folder: string): Promise<readonly Listed[]> {
  const files = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  const names = files.filter((file) => /^[a-z0-9-]{1,64}\.txt$/.test(file)).sort()
  return Promise.all(
    names.slice(0, MOST_STORIES).map(async (file) => {
      const text = (await readFile(join(folder, file), 'utf8')).slice(0, MOST_BYTES)
      return { name: file.slice(0, -'.txt'.length), parsed: parseStory(text, 'drill') }
    }),
  )
}

/** Every place that a story plays at. */
export function placesOf({ steps }: Story): readonly Place[] {
  return [...new Set(steps.flatMap(({ action }) => ('place' in action ? [action.place] : [])))]
}
