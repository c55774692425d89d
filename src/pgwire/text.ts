// Bytes of a statement or value as text that loses nothing: where the text does not give the bytes back, they stand beside it.

import { isAscii, isUtf8 } from 'node:buffer'

export interface RecordedText {
  readonly text: string
  /** Base64 of the bytes, where `text` alone does not give them back. */
  readonly raw?: string
}

// client_encoding names of PostgreSQL ("Character Set Support") that WHATWG knows under a label.
const LABELS = new Map([
  ['LATIN1', 'latin1'],
  ['LATIN2', 'iso-8859-2'],
  ['LATIN5', 'iso-8859-9'],
  ['LATIN9', 'iso-8859-15'],
  ['WIN1250', 'windows-1250'],
  ['WIN1251', 'windows-1251'],
  ['WIN1252', 'windows-1252'],
  ['WIN1253', 'windows-1253'],
  ['WIN1254', 'windows-1254'],
  ['KOI8R', 'koi8-r'],
  ['SJIS', 'shift_jis'],
  ['EUC_JP', 'euc-jp'],
  ['EUC_KR', 'euc-kr'],
  ['GBK', 'gbk'],
  ['GB18030', 'gb18030'],
  ['BIG5', 'big5'],
])

/** Text of bytes under the session's client_encoding. */
export function recordText(bytes: Buffer, clientEncoding: string): RecordedText {
  const text = bytes.toString('utf8')
  const encoding = clientEncoding.toUpperCase()
  if (encoding === 'UTF8' || encoding === 'SQL_ASCII') {
    if (!text.includes('\ufffd') || isUtf8(bytes)) return { text }
    return { text, raw: bytes.toString('base64') }
  }
  if (isAscii(bytes)) return { text }
  const label = LABELS.get(encoding)
  return { text: label === undefined ? text : new TextDecoder(label).decode(bytes), raw: bytes.toString('base64') }
}
