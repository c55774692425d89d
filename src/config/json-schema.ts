// The JSON Schema that editors read (`# yaml-language-server: $schema=…`): generated from the schema that decides, so
// the two cannot drift. config/halligan.schema.json is its committed output; a test compares them.

import * as z from 'zod'
import { configSchema } from './schema.ts'

/** The text of config/halligan.schema.json (JSON Schema 2020-12), newline at its end. */
export function configJsonSchema(): string {
  const schema = z.toJSONSchema(configSchema, { io: 'input' })
  return `${JSON.stringify({ title: "Halligan's configuration", ...schema }, null, 2)}\n`
}

/** Every field name there is, each once. */
export function fieldNames(): string[] {
  const names = new Set<string>()
  const collect = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    for (const [key, held] of Object.entries(value)) {
      if (key === 'properties' && typeof held === 'object' && held !== null)
        for (const name of Object.keys(held)) names.add(name)
      collect(held)
    }
  }
  collect(JSON.parse(configJsonSchema()))
  return [...names]
}
