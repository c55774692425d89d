#!/usr/bin/env node
// Verifies a Halligan recording, or one disclosed event, from docs/recording-format.md alone: no packages, no network.
//   node verify.mjs RECORDING.cast.zst halligan.pub      (its .proof lies beside it)
//   node verify.mjs ONE.event.json halligan.pub
// Exit status: 0 proven, 1 a finding, 2 consistent with itself only (no public key was given), 64 usage.
// Needs Node 22.15 or newer (zstd). A second implementation on purpose: it shares no line with Halligan's own verifier.
import { createHash, createPublicKey, verify as verifySignature } from 'node:crypto'
import { createReadStream, readFileSync, statSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { createZstdDecompress } from 'node:zlib'

const FRAME_BYTES = 65_536
const LONGEST_LINE = 64 * 1024 * 1024
const LONGEST_TEXT = 256 * 1024 * 1024

class Finding extends Error {}
const demand = (condition, what) => {
  if (!condition) throw new Finding(what)
}

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest()
const leafHash = (bytes) => sha256(Buffer.of(0), bytes)
const nodeHash = (left, right) => sha256(Buffer.of(1), left, right)

/** Roots of the perfect subtrees so far, largest first: RFC 6962 §2.1 without keeping the leaves. */
class Tree {
  size = 0
  #peaks = []

  add(hash) {
    let node = hash
    for (let rest = this.size; rest % 2 === 1; rest = Math.floor(rest / 2)) node = nodeHash(this.#peaks.pop(), node)
    this.#peaks.push(node)
    this.size += 1
  }

  root() {
    const peaks = this.#peaks.toReversed()
    return peaks.length === 0 ? sha256() : peaks.reduce((right, left) => nodeHash(left, right))
  }
}

/** The root that a leaf at `index` and its siblings give in a tree of `size` (RFC 9162 §2.1.3.2). */
function rootFromPath(leaf, index, size, path) {
  demand(Number.isSafeInteger(index) && index >= 0 && index < size, `no leaf ${index} in a tree of ${size}`)
  let [node, last, hash] = [index, size - 1, leaf]
  for (const sibling of path) {
    demand(last > 0, 'the path is too long')
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash)
      while (node % 2 === 0 && node > 0) [node, last] = [Math.floor(node / 2), Math.floor(last / 2)]
    } else hash = nodeHash(hash, sibling)
    ;[node, last] = [Math.floor(node / 2), Math.floor(last / 2)]
  }
  demand(last === 0, 'the path is too short')
  return hash
}

function base64(text) {
  const bytes = Buffer.from(String(text), 'base64')
  demand(bytes.toString('base64') === text, 'not base64')
  return bytes
}

function json(text) {
  try {
    return JSON.parse(text)
  } catch {
    throw new Finding('not JSON')
  }
}

function verifierKey(text) {
  const [, name, id, material] = /^([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text) ?? []
  demand(name !== undefined, 'not a verifier key')
  const bytes = base64(material)
  demand(bytes.length === 33 && bytes[0] === 1, 'not an Ed25519 key')
  demand(sha256(`${name}\n`, bytes).subarray(0, 4).toString('hex') === id, 'the id of the key is not its own')
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), bytes.subarray(1)])
  return { text, name, id, key: createPublicKey({ key: spki, format: 'der', type: 'spki' }) }
}

/** Size and root of a signed checkpoint. */
function checkpoint(note, { name, id, key }) {
  const end = note.lastIndexOf('\n\n')
  demand(end > 0 && note.endsWith('\n'), 'the checkpoint is no signed note')
  const text = note.slice(0, end + 1)
  const signatures = note
    .slice(end + 2, -1)
    .split('\n')
    .map((line) => /^— (\S+) (\S+)$/.exec(line) ?? [])
    .map(([, signer, signature]) => ({ signer, bytes: base64(signature ?? '') }))
    .filter(({ signer, bytes }) => signer === name && bytes.subarray(0, 4).toString('hex') === id)
  demand(signatures.length > 0, 'the checkpoint is not signed by the pinned key')
  for (const { bytes } of signatures)
    demand(verifySignature(null, Buffer.from(text), key, bytes.subarray(4)), 'the signature does not verify')
  const [origin, size, root] = text.split('\n')
  demand(origin === name && /^(0|[1-9]\d{0,15})$/.test(size), 'the checkpoint is of another ledger')
  return { size: Number(size), root: base64(root) }
}

/** What a `.proof` says of a recording, proven. `pinned` undefined: by the key it brings along. */
function openProof(text, pinned) {
  const end = text.indexOf('\n\n')
  const [first, extra, index, ...path] = text.slice(0, Math.max(0, end)).split('\n')
  demand(first === 'c2sp.org/tlog-proof@v1' && (extra ?? '').startsWith('extra '), 'not a proof')
  demand(/^index (0|[1-9]\d{0,15})$/.test(index ?? ''), 'not a proof')
  const bytes = base64(extra.slice(6))
  const said = json(bytes.toString('utf8'))
  demand(said?.version === 1 && Array.isArray(said.frames), 'a proof of another version')
  const { version, leaf: sealed, key, frames: counted } = said
  // One spelling: what could be written otherwise could also be read otherwise.
  demand(bytes.equals(Buffer.from(JSON.stringify({ version, leaf: sealed, key, frames: counted }))), 'not a proof')
  const brought = verifierKey(said.key)
  demand(pinned === undefined || said.key === pinned.text, 'the proof names another key than the pinned one')
  const { size, root } = checkpoint(text.slice(end + 2), pinned ?? brought)
  const leaf = base64(said.leaf)
  const found = rootFromPath(leafHash(leaf), Number(index.slice(6)), size, path.map(base64))
  demand(found.equals(root), 'the seal does not stand in the ledger of the checkpoint')
  const seal = json(leaf.toString('utf8'))
  demand(seal?.type === 'session-sealed', 'the leaf is no seal')
  const frames = said.frames.map(([hash, lines, endMs]) => ({ root: base64(hash), lines, endMs }))
  const isCount = (value) => Number.isSafeInteger(value) && value >= 0
  const isFrame = ({ root, lines, endMs }) => root.length === 32 && isCount(lines) && lines > 0 && isCount(endMs)
  demand(frames.every(isFrame) && said.frames.every((frame) => frame.length === 3), 'not frames')
  demand(frames.reduce((sum, { lines }) => sum + lines, 0) === seal.lines, 'the frames have not the sealed lines')
  const tree = new Tree()
  for (const { root } of frames) tree.add(root)
  demand(tree.root().toString('hex') === seal.root, 'the frames do not lead to the sealed root')
  return { seal, frames }
}

/** Number of lines and root of a recording's content; of each frame how many lines it has and when the last one ends. */
async function readLines(file) {
  const [frames, frame, counted] = [new Tree(), { tree: new Tree(), bytes: 0 }, []]
  let [lines, seconds] = [0, 0]
  const endFrame = () => {
    frames.add(frame.tree.root())
    counted.push([frame.tree.size, Math.round(seconds * 1000)])
    Object.assign(frame, { tree: new Tree(), bytes: 0 })
  }
  const take = (line) => {
    if (frame.bytes > 0 && frame.bytes + line.length + 1 > FRAME_BYTES) endFrame()
    frame.tree.add(leafHash(line))
    frame.bytes += line.length + 1
    lines += 1
    const interval = /^\[(\d+(?:\.\d+)?),/.exec(line.subarray(0, 32).toString('latin1'))?.[1]
    seconds += Number(interval ?? 0)
  }
  let pieces = []
  let pending = 0
  for await (const chunk of createReadStream(file).pipe(createZstdDecompress())) {
    let start = 0
    for (let at; (at = chunk.indexOf(0x0a, start)) >= 0; start = at + 1) {
      take(Buffer.concat([...pieces, chunk.subarray(start, at)]))
      ;[pieces, pending] = [[], 0]
    }
    pieces.push(Buffer.from(chunk.subarray(start)))
    pending += chunk.length - start
    demand(pending <= LONGEST_LINE, 'a line is longer than a recording has')
  }
  demand(pending === 0, 'the last line has no end')
  if (frame.bytes > 0) endFrame()
  return { lines, root: frames.root(), counted }
}

function text(file) {
  demand(statSync(file).size <= LONGEST_TEXT, `${file} is too long`)
  return readFileSync(file, 'utf8')
}

async function fileHash(file) {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk)
  return hash.digest('hex')
}

async function verifyRecording(file, pinned) {
  const { seal, frames } = openProof(text(file.replace(/\.cast\.zst$/, '.proof')), pinned)
  demand(statSync(file).size === seal.sizeBytes, `the file has ${statSync(file).size} of ${seal.sizeBytes} bytes`)
  demand((await fileHash(file)) === seal.sha256, 'the file is not the sealed one')
  const { lines, root, counted } = await readLines(file)
  demand(lines === seal.lines && root.toString('hex') === seal.root, 'the lines are not the sealed ones')
  const isCounted = frames.every((frame, at) => counted[at]?.[0] === frame.lines && counted[at][1] === frame.endMs)
  demand(isCounted, 'the proof numbers or times the lines otherwise')
  demand(seal.state === 'complete', `session ${seal.session} is ${seal.state}: its end is not proven`)
  return `session ${seal.session}, ${lines} lines, ended: ${seal.endReason}`
}

function verifyEvent(file, pinned) {
  const { format, seq, event, line, path, proof } = json(text(file)) ?? {}
  demand(format === 'halligan.dev/event@v1' && Array.isArray(path), 'not a disclosed event')
  const { seal, frames } = openProof(String(proof), pinned)
  let first = 0
  const frame = frames.find(({ lines }) => seq < first + lines || ((first += lines), false))
  demand(Number.isSafeInteger(seq) && frame !== undefined, `there is no event ${seq}`)
  const bytes = base64(line)
  const found = rootFromPath(leafHash(bytes), seq - first, frame.lines, path.map(base64))
  demand(found.equals(frame.root), `the line is not event ${seq}`)
  demand(JSON.stringify(event) === JSON.stringify(json(bytes.toString('utf8'))), 'what is shown is not the line')
  return `event ${seq} of ${seal.lines} of session ${seal.session}: ${JSON.stringify(event).slice(0, 200)}`
}

/** Verifies `file` with the text of a public key, if there is one. Gives exit status and what to say. Never throws. */
export async function verify(file, publicKey) {
  try {
    const pinned = publicKey === undefined ? undefined : verifierKey(publicKey.trim().split(/\s+/)[0])
    const what = file.endsWith('.event.json') ? verifyEvent(file, pinned) : await verifyRecording(file, pinned)
    if (pinned === undefined) return { status: 2, say: `consistent with itself only, signer not pinned: ${what}` }
    return { status: 0, say: `proven: ${what}` }
  } catch (error) {
    return { status: 1, say: `finding: ${error instanceof Error ? error.message : String(error)}` }
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [file, key] = process.argv.slice(2)
  if (file === undefined) {
    process.stderr.write('usage: node verify.mjs RECORDING.cast.zst|ONE.event.json [halligan.pub]\n')
    process.exitCode = 64
  } else {
    const { status, say } = await verify(file, key === undefined ? undefined : readFileSync(key, 'utf8'))
    process.stdout.write(`${say.replace(/\p{Cc}/gu, ' ')}\n`)
    process.exitCode = status
  }
}
