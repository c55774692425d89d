// The report of a month, as data and as a table for spreadsheets.

import { z } from 'zod'
import type { Report } from '../procedure/report.ts'
import { reportCsv } from '../procedure/report-csv.ts'
import { parse, type Call, type House, type Route } from './route.ts'
import { overseers } from './visibility.ts'

/** What is a month is for the report to say; here it is bounded. */
const monthSchema = z.strictObject({ month: z.string().max(16).optional() })

async function report(house: House, call: Call): Promise<Report> {
  return house.ports.reports.of(parse(monthSchema, call.query).month)
}

async function csv(house: House, call: Call): Promise<string> {
  const made = await report(house, call)
  void call.reply
    .type('text/csv; charset=utf-8')
    .header('content-disposition', `attachment; filename="halligan-report-${made.month}.csv"`)
  return reportCsv(made)
}

export const reportRoutes: readonly Route[] = [
  { kind: 'read', path: '/api/report', access: overseers, handle: report },
  { kind: 'read', path: '/api/report.csv', access: overseers, handle: csv },
]
