import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { controls } from '../../src/procedure/control-map.ts'
import { figures } from '../../src/procedure/figure.ts'

const root = join(import.meta.dirname, '../..')

for (const { framework, control, tests, figures: named, notCovered } of controls)
  test(`${framework} ${control}: its evidence exists, and what is not covered is said`, () => {
    expect(tests.length).toBeGreaterThan(0)
    for (const file of tests) {
      expect(file).toMatch(/^test\/[\w/-]+\.test\.ts$/)
      expect(existsSync(join(root, file)), file).toBe(true)
    }
    for (const name of named) expect(figures).toHaveProperty(name)
    expect(notCovered.length).toBeGreaterThan(20)
  })

test('the frameworks that were promised are there, no control twice', () => {
  const names = controls.map(({ framework, control }) => `${framework} ${control}`)
  expect(new Set(names).size).toBe(names.length)
  for (const promised of ['AC-2(2)', 'AU-9', 'AU-10', 'AU-14', '10.2', 'CC6.1', '45 CFR 164.312(a)(2)(ii)'])
    expect(controls.map(({ control }) => control)).toContain(promised)
})
