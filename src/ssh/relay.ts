// A session's bytes between client and target. Both ways through the recorder: input is durable before the target has
// it, output before the user has it. Works for any upstream: an SSH server, a command on a PTY.
import type { Clock } from '../clock.ts'
import { errorCodes, HalliganError, ProtocolViolation, safeError } from '../errors.ts'
import { sshLog } from '../log.ts'
import type { Admission } from '../session/admission.ts'
import type { SessionEnd } from '../session/session.ts'
import type {
  Dial,
  Program,
  ProgramExit,
  ProgramTerminal,
  Upstream,
  UpstreamListener,
  WindowSize,
} from '../session/upstream.ts'
import { string, uint32 } from '../sshwire/reader.ts'
import { ascii, errorLines, recordedLine, ScreenWatch, terminalText, titleText } from './banner.ts'
import type { Channel } from './channel.ts'
import { StreamRecord } from './stream-record.ts'
import { Tap } from './tap.ts'

/** A program that ends closes its output just before; one that goes on without output is worth telling a little later. */
const EOF_GRACE_MS = 50

export interface RelayOptions {
  readonly clock: Clock
  readonly admission: Admission
  readonly program: Program
  readonly channel: Channel
  readonly dial: Dial
  readonly bulk: 'full' | 'hash'
}

/** One session between its opening and its end. The session channel calls in from the client's side. */
export class Relay implements UpstreamListener {
  readonly #options: RelayOptions
  readonly #hasTerminal: boolean
  readonly #screen = new ScreenWatch()
  readonly #input: Tap
  readonly #output: Tap
  /** Input that is durable while the target is still being dialled. */
  #early: (() => void)[] = []
  #upstream: Upstream | undefined
  #exit: ProgramExit | undefined
  /** Output that left before the dialer had handed the upstream over. */
  #creditBeforeDial = 0
  #error: HalliganError | undefined
  #isOutputRefused = false
  #isOver = false

  constructor(options: RelayOptions) {
    this.#options = options
    this.#hasTerminal = options.program.terminal !== undefined
    this.#input = this.#inputTap()
    this.#output = this.#outputTap()
  }

  /** Records how it starts, dials and relays; the session's end closes the channel. Never throws. */
  async run(): Promise<void> {
    const { admission, program, dial } = this.#options
    if (admission.signal.aborted) return this.#ended(admission.signal.reason as SessionEnd)
    admission.signal.addEventListener('abort', () => this.#ended(admission.signal.reason as SessionEnd), { once: true })
    admission.onNotice((text) => this.#notice(text))
    try {
      await this.#recordStart()
      const upstream = await dial(admission, program, this)
      this.#attach(upstream)
    } catch (error) {
      this.#failed(error)
    }
  }

  /** Bytes of the client. */
  clientData(bytes: Buffer): void {
    this.#input.push('i', bytes)
  }

  /** The client will send no more: the target is told once all it sent has got there. */
  clientEof(): void {
    this.#step('c', { type: 'eof' }, (upstream) => upstream.end())
  }

  clientClosed(): void {
    this.#end({ reason: 'client-closed', code: null, message: 'the client closed the channel' })
  }

  resize(size: WindowSize): void {
    const { cols, rows, widthPx, heightPx } = size
    // A size in pixels is read by programs as well; the `r` line has no room for it.
    if (widthPx !== 0 || heightPx !== 0) this.#step('c', { type: 'window-change', widthPx, heightPx }, () => undefined)
    this.#step('r', `${cols}x${rows}`, (upstream) => upstream.resize(size))
  }

  signal(name: string): void {
    this.#step('c', { type: 'signal', name }, (upstream) => upstream.signal(name))
  }

  break(lengthMs: number): void {
    this.#step('c', { type: 'break', lengthMs }, (upstream) => upstream.break(lengthMs))
  }

  /** The client's reader is gone (`eow@openssh.com`): `ssh host 'cat big' | head` ends here. */
  refuseOutput(): void {
    this.#isOutputRefused = true
    this.#options.channel.discard()
    this.#step('c', { type: 'eow@openssh.com' }, (upstream) => upstream.refuseOutput())
  }

  output(stream: 'o' | 'e', bytes: Buffer): void {
    if (this.#hasTerminal) this.#screen.output(bytes)
    this.#output.push(stream, bytes)
  }

  outputEnded(): void {
    // After an EOF nothing can be said any more (RFC 4254 §5.3): if the end follows at once, its words go first.
    const { clock, channel } = this.#options
    this.#output.step(
      () => Promise.resolve(),
      () => clock.after(EOF_GRACE_MS, () => channel.eof()),
    )
  }

  exit(exit: ProgramExit): void {
    this.#exit ??= exit
  }

  closed(): void {
    this.#output.step(
      () => Promise.resolve(),
      () => this.#finish(),
    )
  }

  #inputTap(): Tap {
    const record = this.#streamRecord('i')
    return new Tap({
      maxLineBytes: () => record.maxLineBytes,
      record: (_, chunks) => record.record(chunks),
      forward: (_, bytes, done) => this.#withUpstream((upstream) => upstream.write(bytes, done)),
      credit: (count) => this.#options.channel.consumed(count),
      failed: (error) => this.#failed(error),
    })
  }

  #outputTap(): Tap {
    const records = { i: this.#streamRecord('i'), o: this.#streamRecord('o'), e: this.#streamRecord('e') }
    return new Tap({
      maxLineBytes: (stream) => records[stream].maxLineBytes,
      record: (stream, chunks) => records[stream].record(chunks),
      forward: (stream, bytes, done) => {
        if (this.#isOutputRefused) done()
        else this.#options.channel.write(bytes, stream === 'e', done)
      },
      credit: (count) => {
        if (this.#upstream === undefined) this.#creditBeforeDial += count
        else this.#upstream.taken(count)
      },
      failed: (error) => this.#failed(error),
    })
  }

  #streamRecord(stream: 'i' | 'o' | 'e'): StreamRecord {
    const { admission, bulk } = this.#options
    return new StreamRecord({ recorder: admission.recorder, stream, hasTerminal: this.#hasTerminal, bulk })
  }

  /** A fact of the client's side at its place in the input: recorded, then acted upon. */
  #step(code: 'c' | 'r', data: unknown, act: (upstream: Upstream) => void): void {
    const { recorder } = this.#options.admission
    this.#input.step(
      () => recorder.fact(code, data),
      () => this.#withUpstream(act),
    )
  }

  #withUpstream(act: (upstream: Upstream) => void): void {
    if (this.#upstream === undefined) this.#early.push(() => this.#upstream && act(this.#upstream))
    else act(this.#upstream)
  }

  /** What the header line does not say: environment, terminal modes, a command that is not text. */
  async #recordStart(): Promise<void> {
    const { admission, program, clock, channel } = this.#options
    const facts = startFacts(program)
    await Promise.all(facts.map((fact) => admission.recorder.fact('c', fact)))
    if (!this.#hasTerminal) return
    const lines = [recordedLine(admission.grant, clock.now()), ...admission.remarks.map(ascii)]
    channel.write(terminalText(lines, true), true)
  }

  #attach(upstream: Upstream): void {
    if (this.#isOver) return upstream.close()
    this.#upstream = upstream
    if (this.#creditBeforeDial > 0) upstream.taken(this.#creditBeforeDial)
    for (const act of this.#early.splice(0)) act()
  }

  #finish(): void {
    const exit = this.#exit
    if (exit !== undefined) {
      const exitStatus = exit.kind === 'status' ? exit.status : `SIG${exit.name}`
      this.#sendExit(exit)
      return this.#end({ reason: 'exited', code: null, message: `the program ended with ${exitStatus}`, exitStatus })
    }
    const message = `${this.#options.admission.target.name} closed the session`
    // A subsystem may end without a status, and so may what nobody reads; a shell that does has lost its connection.
    const isLost = this.#options.program.start.kind !== 'subsystem' && !this.#isOutputRefused
    this.#end({ reason: 'upstream-closed', code: isLost ? 'unreachable' : null, message })
  }

  #sendExit(exit: ProgramExit): void {
    const { channel } = this.#options
    if (exit.kind === 'status') void channel.request('exit-status', uint32(exit.status), false)
    else {
      const fields = [string(exit.name), Buffer.of(exit.coreDumped ? 1 : 0), string(exit.message), string('')]
      void channel.request('exit-signal', Buffer.concat(fields), false)
    }
  }

  #failed(error: unknown): void {
    const shown = safeError(error)
    if (shown.code === 'internal')
      sshLog.error('ssh.relay-failed', { session: this.#options.admission.session.id, error })
    this.#error ??= shown
    if (error instanceof ProtocolViolation) {
      this.#error = undefined
      return this.#end({ reason: 'protocol-violation', code: 'usage', message: error.message })
    }
    const isRecorder = shown.code === 'recorder_failed' || shown.code === 'journal_failed'
    this.#end({ reason: isRecorder ? 'recorder-failed' : 'unreachable', code: shown.code, message: shown.message })
  }

  #end(end: SessionEnd): void {
    this.#options.admission.end(end)
  }

  /** Called once, however the session ends: sockets first. */
  #ended(end: SessionEnd): void {
    if (this.#isOver) return
    this.#isOver = true
    const { channel } = this.#options
    this.#upstream?.close()
    this.#input.stop()
    this.#output.stop()
    this.#early = []
    if (end.code !== null) {
      channel.discard()
      const error = this.#error ?? new HalliganError(end.code, end.message)
      const lines = errorLines(error)
      channel.write(terminalText(this.#hasTerminal ? ['', ...lines] : lines, this.#hasTerminal), true)
      this.#sendExit({ kind: 'status', status: errorCodes[end.code].exit })
    }
    channel.close()
  }

  /** Halligan adds nothing to a stream without terminal. */
  #notice(text: string): void {
    if (!this.#hasTerminal || this.#isOver) return
    const line = `halligan: ${ascii(text)}`
    this.#options.channel.write(this.#screen.isAlternate ? titleText(line) : terminalText(['', line], true), true)
  }
}

function startFacts(program: Program): unknown[] {
  const environment = program.environment.map(([name, bytes]) => {
    const value = bytes.toString('utf8')
    const isText = Buffer.from(value).equals(bytes)
    return { type: 'env', name, value, ...(isText ? {} : { raw: bytes.toString('base64') }) }
  })
  const terminal = program.terminal === undefined ? [] : [terminalFact(program.terminal)]
  const { start } = program
  const isText = start.kind !== 'exec' || Buffer.from(start.command.toString('utf8')).equals(start.command)
  const command = start.kind === 'exec' && !isText ? [{ type: 'exec', command: start.command.toString('base64') }] : []
  return [...environment, ...terminal, ...command]
}

/** All of it: the header line has what players need, and has it only for shells and commands. */
function terminalFact({ type, modes, ...size }: ProgramTerminal): unknown {
  return { type: 'pty-req', term: type, ...size, modes: modes.toString('base64') }
}
