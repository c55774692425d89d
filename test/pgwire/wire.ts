// Messages as a client or server would send them, for the tests of this folder.
import { encodeMessage, int16, int32 } from '../../src/pgwire/backend-encoding.ts'
import { StatementTracker } from '../../src/pgwire/tracker.ts'
import type { ClientEvent, ServerEvent } from '../../src/pgwire/statement-event.ts'

const code = (type: string) => type.charCodeAt(0)

export const front = {
  query: (sql: string) => encodeMessage(code('Q'), `${sql}\0`),
  parse: (name: string, sql: string, types: number[] = []) =>
    encodeMessage(code('P'), `${name}\0${sql}\0`, int16(types.length), ...types.map(int32)),
  bind: (portal: string, statement: string, values: (string | null | Buffer)[] = []) =>
    encodeMessage(
      code('B'),
      `${portal}\0${statement}\0`,
      int16(values.length),
      ...values.map((value) => int16(Buffer.isBuffer(value) ? 1 : 0)),
      int16(values.length),
      ...values.flatMap((value) =>
        value === null ? [int32(-1)] : [int32(Buffer.byteLength(value)), Buffer.from(value)],
      ),
      int16(0),
    ),
  execute: (portal = '', maxRows = 0) => encodeMessage(code('E'), `${portal}\0`, int32(maxRows)),
  describe: (kind: 'S' | 'P', name: string) => encodeMessage(code('D'), `${kind}${name}\0`),
  close: (kind: 'S' | 'P', name: string) => encodeMessage(code('C'), `${kind}${name}\0`),
  sync: () => encodeMessage(code('S')),
  flush: () => encodeMessage(code('H')),
  call: (oid: number, values: string[]) =>
    encodeMessage(
      code('F'),
      int32(oid),
      int16(0),
      int16(values.length),
      ...values.flatMap((value) => [int32(value.length), value]),
      int16(0),
    ),
  copyData: (text: string | Buffer) => encodeMessage(code('d'), text),
  copyDone: () => encodeMessage(code('c')),
  copyFail: (why: string) => encodeMessage(code('f'), `${why}\0`),
  terminate: () => encodeMessage(code('X')),
}

export const back = {
  complete: (tag: string) => encodeMessage(code('C'), `${tag}\0`),
  ready: (status: 'I' | 'T' | 'E' = 'I') => encodeMessage(code('Z'), status),
  error: (sqlstate = '42601', severity = 'ERROR') =>
    encodeMessage(code('E'), `S${severity}\0V${severity}\0C${sqlstate}\0Mit failed\0\0`),
  notice: (text: string) => encodeMessage(code('N'), `SNOTICE\0VNOTICE\0C00000\0M${text}\0\0`),
  notification: (channel: string, payload: string) => encodeMessage(code('A'), int32(7), `${channel}\0${payload}\0`),
  parseComplete: () => encodeMessage(code('1')),
  bindComplete: () => encodeMessage(code('2')),
  closeComplete: () => encodeMessage(code('3')),
  noData: () => encodeMessage(code('n')),
  suspended: () => encodeMessage(code('s')),
  empty: () => encodeMessage(code('I')),
  rowDescription: () => encodeMessage(code('T'), int16(0)),
  parameterDescription: (types: number[]) => encodeMessage(code('t'), int16(types.length), ...types.map(int32)),
  row: () => encodeMessage(code('D'), int16(1), int32(1), 'x'),
  copyIn: () => encodeMessage(code('G'), Buffer.from([0]), int16(0)),
  copyOut: () => encodeMessage(code('H'), Buffer.from([0]), int16(0)),
  copyBoth: () => encodeMessage(code('W'), Buffer.from([0]), int16(0)),
  copyData: (text: string) => encodeMessage(code('d'), text),
  copyDone: () => encodeMessage(code('c')),
  functionResult: () => encodeMessage(code('V'), int32(-1)),
  parameterStatus: (name: string, value: string) => encodeMessage(code('S'), `${name}\0${value}\0`),
}

/** A tracker whose events are collected, copied so that views stay readable. */
export class Watched {
  readonly client: ClientEvent[] = []
  readonly server: ServerEvent[] = []
  readonly tracker: StatementTracker
  nowUs = 0

  constructor(options: { maxWholeBytes?: number } = {}) {
    this.tracker = new StatementTracker({
      onClient: (event) => this.client.push('bytes' in event ? { ...event, bytes: Buffer.from(event.bytes) } : event),
      onServer: (event) => this.server.push(event),
      clientEncoding: 'UTF8',
      ...options,
    })
  }

  /** Sends from the client and lets it go on at once. */
  c(...messages: Buffer[]): this {
    this.tracker.takeClient(Buffer.concat(messages))
    this.tracker.forwarded(this.tracker.lastId, this.nowUs)
    return this
  }

  s(...messages: Buffer[]): this {
    this.tracker.takeServer(Buffer.concat(messages), this.nowUs)
    return this
  }

  at(ms: number): this {
    this.nowUs = ms * 1000
    return this
  }

  done(): Extract<ServerEvent, { kind: 'done' }>[] {
    return this.server.filter((event) => event.kind === 'done')
  }
}
