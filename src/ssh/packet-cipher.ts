// The sending half of AES-GCM (RFC 5647) with less garbage than the library makes: one buffer for all packets being
// built, since each is encrypted into a new one before the next begins, and padding from a pool. For transport.ts alone.
import { createCipheriv, randomFillSync } from 'node:crypto'

/** The library's cipher for AES-GCM without native code: its fields are what this file relies on. */
interface GcmCipher {
  readonly _encSSLName: 'aes-128-gcm' | 'aes-256-gcm'
  readonly _encKey: Buffer
  /** 12 bytes; the last 8 count packets. */
  readonly _encIV: Buffer
  readonly _onWrite: (bytes: Buffer) => void
  readonly _dead: boolean
  outSeqno: number
  allocPacket(payloadBytes: number): Buffer
  encrypt(packet: Buffer): void
}

const BLOCK = 16
/** Above the largest packet we send; a larger one gets a buffer of its own. */
const scratch = Buffer.allocUnsafeSlow(36 << 10)
/** Padding is encrypted: it must not repeat what a peer could learn from, it need not be fresh for every packet. */
const padding = Buffer.allocUnsafeSlow(4 << 10)
let paddingUsed = padding.length

/** Replaces how `cipher` builds and encrypts packets, if it is the library's AES-GCM; any other is left as it is. */
export function quickenCipher(cipher: object): void {
  if (!isGcm(cipher)) return
  cipher.allocPacket = allocPacket
  cipher.encrypt = (packet) => encrypt(cipher, packet)
}

function isGcm(cipher: object): cipher is GcmCipher {
  return '_encSSLName' in cipher && /^aes-(128|256)-gcm$/.test(String(cipher._encSSLName)) && !('_macSSLName' in cipher)
}

/** RFC 4253 §6: length, padding length, room for the payload at 5, 4 to 19 bytes of padding. */
function allocPacket(payloadBytes: number): Buffer {
  let paddingBytes = BLOCK - ((1 + payloadBytes) % BLOCK)
  if (paddingBytes < 4) paddingBytes += BLOCK
  const size = 5 + payloadBytes + paddingBytes
  const packet = size <= scratch.length ? scratch.subarray(0, size) : Buffer.allocUnsafeSlow(size)
  packet.writeUInt32BE(size - 4, 0)
  packet[4] = paddingBytes
  if (paddingUsed + paddingBytes > padding.length) {
    randomFillSync(padding)
    paddingUsed = 0
  }
  padding.copy(packet, 5 + payloadBytes, paddingUsed, (paddingUsed += paddingBytes))
  return packet
}

function encrypt(cipher: GcmCipher, packet: Buffer): void {
  if (cipher._dead) return
  const gcm = createCipheriv(cipher._encSSLName, cipher._encKey, cipher._encIV)
  const length = Buffer.from(packet.subarray(0, 4))
  gcm.setAAD(length)
  cipher._onWrite(length)
  cipher._onWrite(gcm.update(packet.subarray(4)))
  gcm.final()
  cipher._onWrite(gcm.getAuthTag())
  cipher._encIV.writeBigUInt64BE(BigInt.asUintN(64, cipher._encIV.readBigUInt64BE(4) + 1n), 4)
  cipher.outSeqno = (cipher.outSeqno + 1) >>> 0
}
