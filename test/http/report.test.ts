import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Report } from '../../src/procedure/report.ts'
import { startWorld, type World } from './world.ts'

let world: World
let rita: string
beforeAll(async () => {
  world = await startWorld()
  rita = await world.signIn('rita')
  await world.grant({ id: 'g7f3', policy: '=2+5' })
})
afterAll(() => world.close())

test('the report of this month, with the grants behind each figure and the control map', async () => {
  const answer = await world.get('/api/report', rita)
  const report = (await answer.json()) as Report
  const uses = report.sections[0]?.figures.find(({ name }) => name === 'uses')
  expect(uses).toMatchObject({ value: 1, evidence: { grants: ['g7f3'] } })
  expect(report.sections.map(({ policy }) => policy)).toEqual([null, '=2+5'])
  expect(report.controls.length).toBeGreaterThan(5)
})

test('as CSV it is a file to keep, and no policy name is a formula', async () => {
  const answer = await world.get('/api/report.csv', rita)
  expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8')
  expect(answer.headers.get('content-disposition')).toMatch(/^attachment; filename="halligan-report-\d{4}-\d\d\.csv"$/)
  const text = await answer.text()
  expect(text).toContain(`,"'=2+5","uses","",1,"count","g7f3",`)
  expect(text).not.toMatch(/(^|,)"?=/m)
})

for (const query of [
  'month=2026-13',
  'month=1',
  'month=2999-01',
  `month=${'1'.repeat(17)}`,
  'months=2026-01',
  'month=2026-01&month=2026-02',
])
  test(`?${query} is refused with what to give instead`, async () => {
    for (const path of ['/api/report', '/api/report.csv']) {
      const answer = await world.get(`${path}?${query}`, rita)
      expect(answer.status).toBe(400)
      expect(await answer.json()).toMatchObject({ code: 'usage' })
    }
  })
