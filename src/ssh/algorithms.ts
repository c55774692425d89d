// What is offered in a key exchange, and the name we go by.

// AES-GCM alone for peers that surely have it: the client's order decides, and OpenSSH before 10 puts slower ones first.
export const gcm: string[] = ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com']
const ctr = ['aes256-ctr', 'aes192-ctr', 'aes128-ctr']
export const macs: string[] = ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com']
export const kex: string[] = ['curve25519-sha256', 'curve25519-sha256@libssh.org', 'diffie-hellman-group16-sha512']
const upstreamKex = [
  ...kex,
  'ecdh-sha2-nistp256',
  'ecdh-sha2-nistp384',
  'ecdh-sha2-nistp521',
  'diffie-hellman-group14-sha256',
]

/** What the library is told to offer to clients; hmac-sha1, ssh-rsa, group exchange and compression are left out. */
export const serverAlgorithms: { kex: string[]; cipher: string[]; hmac: string[]; compress: string[] } = {
  kex,
  cipher: [...gcm, ...ctr],
  hmac: macs,
  compress: ['none'],
}

/** The same towards targets, which may be older: NIST curves and plain HMAC-SHA-2 as well. */
export const upstreamAlgorithms: typeof serverAlgorithms = {
  kex: upstreamKex,
  cipher: [...gcm, ...ctr],
  hmac: [...macs, 'hmac-sha2-256', 'hmac-sha2-512'],
  compress: ['none'],
}

/** OpenSSH sends `eow@openssh.com` only to peers that call themselves so; without it `ssh host 'cat big' | head` hangs. */
export const IDENT = 'OpenSSH_Halligan'

/** Signature algorithms we verify, as server-sig-algs (RFC 8308 §3.1): the library's own list lacks a comma. */
export const signatureAlgorithms: string =
  'ssh-ed25519,sk-ssh-ed25519@openssh.com,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,' +
  'sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256'
