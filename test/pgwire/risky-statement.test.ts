import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { RiskReader, risksOf } from '../../src/pgwire/risky-statement.ts'
import type { RiskyKind } from '../../src/pgwire/risky-statement.ts'

const risky: readonly (readonly [sql: string, ...kinds: RiskyKind[]])[] = [
  ['drop table orders', 'DROP'],
  ['DROP\nSCHEMA\tshop CASCADE', 'DROP'],
  ['drop "users"', 'DROP'],
  ['/* tidy up */ drop -- now\n view v', 'DROP'],
  ['/* /* nested */ still */ DROP INDEX i', 'DROP'],
  ['drop owned by app', 'DROP'],
  ['alter table t drop column c', 'DROP'],
  ['alter table only t drop "c", add d int', 'DROP'],
  ['alter table t drop if exists c', 'DROP'],
  ["select E'' '\\'; drop table shop", 'DROP'],
  ['truncate orders', 'TRUNCATE'],
  ['begin; truncate a, b; commit', 'TRUNCATE'],
  ['delete from orders', 'DELETE without WHERE'],
  ['DELETE FROM ONLY "Orders" RETURNING *', 'DELETE without WHERE'],
  ['delete from t using (select 1 where true) s', 'DELETE without WHERE'],
  ["delete from t -- where id = 1\n;select 'x'", 'DELETE without WHERE'],
  ["delete from t returning 'where'", 'DELETE without WHERE'],
  ['delete from t returning "where"', 'DELETE without WHERE'],
  ['with gone as (delete from t returning *) select * from gone where id = 1', 'DELETE without WHERE'],
  ['with a as (select 1) delete from t', 'DELETE without WHERE'],
  ['copy (delete from t returning *) to stdout', 'DELETE without WHERE'],
  ['explain analyze delete from t', 'DELETE without WHERE'],
  ['explain (analyze, buffers) delete from t', 'DELETE without WHERE'],
  ['prepare wipe as delete from t', 'DELETE without WHERE'],
  ['delete from a where id = 1; delete from b', 'DELETE without WHERE'],
  ["update t set a = 'x'", 'UPDATE without WHERE'],
  ['update "t" set a = (select b from c where d)', 'UPDATE without WHERE'],
  ['update only t set a = 1 from u', 'UPDATE without WHERE'],
  ['update t set a = 1 from u where u.id = t.id; update t set a = 2', 'UPDATE without WHERE'],
  ['grant all on t to public', 'GRANT'],
  ['grant admin_role to app', 'GRANT'],
  ['alter default privileges in schema s grant select on tables to app', 'GRANT'],
  ['create schema s grant usage on schema s to app', 'GRANT'],
  ['revoke select on t from app', 'REVOKE'],
  ["create role mallory login password 'x'", 'CREATE ROLE'],
  ['create user mallory password $$secret; drop table t$$', 'CREATE ROLE'],
  ['alter user app superuser', 'ALTER ROLE'],
  ['alter group g add user app', 'ALTER ROLE'],
  ['drop role if exists mallory', 'DROP ROLE'],
  ['alter table t owner to mallory', 'change of OWNER'],
  ['alter function f(int, text) owner to mallory', 'change of OWNER'],
  ['reassign owned by app to mallory', 'change of OWNER'],
  ["copy t from program 'curl http://x'", 'COPY PROGRAM'],
  ["copy (select 1) to program 'sh'", 'COPY PROGRAM'],
  ['create extension if not exists dblink', 'CREATE EXTENSION'],
  ['create or replace function f() returns void language sql security definer as $$select 1$$', 'SECURITY DEFINER'],
  ['alter function f() external security definer', 'SECURITY DEFINER'],
  ['drop table a; grant all on b to c; drop table d; truncate e', 'DROP', 'GRANT', 'TRUNCATE'],
  // Attempts to hide one behind what only looks like a string or a comment.
  ["select E'\\''; drop table t --'", 'DROP'],
  ["select e'a' /* ' */; drop table t", 'DROP'],
  ["select E''\n'\\''; drop table t --'", 'DROP'],
  ["select 'a''b'; drop table t", 'DROP'],
  ["select 'it''s -- no comment'; drop table t", 'DROP'],
  ['select $a$ $b$ $a$; drop table t', 'DROP'],
  ['select $$ $a$ $$; drop table t -- $a$', 'DROP'],
  ['select "a""; b"; drop table t', 'DROP'],
  ['select a$b$ from t; drop table c$b$', 'DROP'],
  ['select 1 /* /* */ */; drop table t', 'DROP'],
  ['select 1 -- \rdrop\n;drop table t', 'DROP'],
  ['select $1; drop table t', 'DROP'],
  ['((((; drop table t', 'DROP'],
  [')))) ; drop table t', 'DROP'],
  ['DrOp TaBlE t', 'DROP'],
]

for (const [sql, ...kinds] of risky)
  test(`is told of: ${JSON.stringify(sql)}`, () => {
    expect(risksOf(sql)).toEqual(kinds)
  })

const harmless = [
  '',
  ';;;',
  'select 1',
  "select 'drop table t'",
  'select $$; drop table t;$$',
  "select E'\\'; drop table t; --'",
  "select 'a' -- ; drop table t",
  'select 1 /* ; drop table t; */',
  'select "drop", "truncate" from t',
  'delete from t where id = $1',
  'DELETE FROM t WHERE id IN (SELECT id FROM u)',
  'delete from t where current of c',
  'update t set a = 1 where b = 2',
  'update t set a = case when x then (select 1) else 2 end where b',
  'insert into t values (1) on conflict (id) do update set a = 1',
  'merge into t using s on t.id = s.id when matched then update set a = 1 when not matched then insert values (1)',
  'merge into t using s on t.id = s.id when matched then delete',
  'select * from t for update of t skip locked',
  'select 1 as delete from t',
  'create table t (a int references b on delete cascade on update set null)',
  'create trigger x after delete or update on t for each row execute function f()',
  'create trigger x before update of a on t execute function f()',
  'explain delete from t',
  'explain (costs off) update t set a = 1',
  'alter table t alter column a drop not null',
  'alter table t drop constraint c',
  'alter table t rename to u',
  'create function f() returns void language sql as $f$ drop table t $f$',
  'copy t from stdin',
  "copy t to '/tmp/program'",
  'select owner to_x from program',
  'create index on t (drop)',
  'set role app',
]

for (const sql of harmless)
  test(`is not told of: ${JSON.stringify(sql)}`, () => {
    expect(risksOf(sql)).toEqual([])
  })

test('what is hidden from its words is not seen: a notice, no wall', () => {
  expect(risksOf("do $$ begin execute 'drop table t'; end $$")).toEqual([])
  expect(risksOf('select wipe_everything()')).toEqual([])
  expect(risksOf('delete from t where true')).toEqual([])
})

const shards = [
  'drop',
  'table',
  't',
  'delete',
  'from',
  'update',
  'set',
  'where',
  'grant',
  'E',
  'e',
  'as',
  ' ',
  '\n',
  "'",
]
const marks = ['"', '\\', '$$', '$a$', '$', '--', '/*', '*/', '*', '/', '(', ')', ';', '1', 'é', '\ud800', ',', '-']
const text = fc.oneof(
  fc.string(),
  fc.array(fc.constantFrom(...shards, ...marks), { maxLength: 60 }).map((parts) => parts.join('')),
)

test('any text, cut anywhere, gives the answer of the whole', () => {
  fc.assert(
    fc.property(text, fc.array(fc.nat(80), { maxLength: 12 }), (sql, cuts) => {
      const reader = new RiskReader()
      let at = 0
      for (const cut of cuts.map((one) => one % (sql.length + 1)).sort((a, b) => a - b)) {
        reader.push(sql.slice(at, cut))
        at = cut
      }
      reader.push(sql.slice(at))
      expect(reader.end()).toEqual(risksOf(sql))
    }),
    { numRuns: 2_000 },
  )
})

test('whatever stands in a comment or a string before it, a statement behind is seen', () => {
  const dollars = fc.string().map((inner) => `$q$${inner.replaceAll('$', '')}$q$`)
  const string = fc.string().map((inner) => `'${inner.replaceAll("'", "''")}'`)
  const escaped = fc.string().map((inner) => `E'${inner.replaceAll(/['\\]/g, (mark) => `\\${mark}`)}'`)
  const name = fc.string().map((inner) => `"${inner.replaceAll('"', '""')}"`)
  const comment = fc.string().map((inner) => `/*${inner.replaceAll(/[*/]/g, '')}*/`)
  const line = fc.string().map((inner) => `--${inner.replaceAll(/[\r\n]/g, '')}\n`)
  const skipped = fc.array(fc.oneof(dollars, string, escaped, name, comment, line), { maxLength: 8 })
  fc.assert(
    fc.property(skipped, (parts) => {
      expect(risksOf(`select ${parts.join(' ')}`)).toEqual([])
      expect(risksOf(`select ${parts.join(' ')};drop table t`)).toEqual(['DROP'])
    }),
    { numRuns: 1_000 },
  )
})

// What is read over and over for each of its characters would not come to an end here.
for (const { what, unit } of [
  { what: 'quotes', unit: "'" },
  { what: 'comments that open', unit: '/*' },
  { what: 'dollar quotes that never close', unit: '$a' },
  { what: 'dollars', unit: '$' },
  { what: 'backslashes in an escape string', unit: "E'\\" },
  { what: 'open brackets with writes', unit: '(delete from t ' },
  { what: 'one long word', unit: 'x' },
  { what: 'dashes', unit: '- ' },
])
  test(`megabytes of ${what} are read through, whole and in pieces`, () => {
    const sql = unit.repeat(Math.ceil(2_000_000 / unit.length))
    const reader = new RiskReader()
    for (let at = 0; at < sql.length; at += 65_536) reader.push(sql.slice(at, at + 65_536))
    expect(reader.end()).toEqual(risksOf(sql))
  })
