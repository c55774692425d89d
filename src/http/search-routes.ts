// Full text of recordings: what was asked, shown, typed and said.

import { z } from 'zod'
import { search, type SearchPage } from '../procedure/search.ts'
import { parse, type Call, type Caller, type House, type Route } from './route.ts'

const searchSchema = z.strictObject({
  /** What is too long asks for nothing: the use-case says so. */
  q: z.string().default(''),
  cursor: z.string().max(16).optional(),
})

async function find(house: House, call: Call, { identity }: Caller): Promise<SearchPage> {
  const { q, cursor } = parse(searchSchema, call.query)
  return search(house.ports.search, identity.user, q, cursor)
}

export const searchRoutes: readonly Route[] = [{ kind: 'read', path: '/api/search', access: 'signed-in', handle: find }]
