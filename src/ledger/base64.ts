// Base64 (RFC 4648 §4) as the C2SP formats use it: one spelling per value, so that a text is either exact or refused.

/** The bytes, or undefined unless `text` is exactly what encoding them gives. */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}
