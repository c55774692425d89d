// The type byte of each message (PostgreSQL 18, "Message Formats") and what the scanner does with its body per direction
// once a connection is past authentication. A type that is in no table ends the session: what we cannot read we do not pass.

export const frontendType = {
  Bind: 0x42,
  Close: 0x43,
  CopyData: 0x64,
  CopyDone: 0x63,
  CopyFail: 0x66,
  Describe: 0x44,
  Execute: 0x45,
  Flush: 0x48,
  FunctionCall: 0x46,
  Parse: 0x50,
  /** Also SASLInitialResponse and SASLResponse. */
  PasswordMessage: 0x70,
  Query: 0x51,
  Sync: 0x53,
  Terminate: 0x58,
} as const

export const backendType = {
  Authentication: 0x52,
  BackendKeyData: 0x4b,
  BindComplete: 0x32,
  CloseComplete: 0x33,
  CommandComplete: 0x43,
  CopyData: 0x64,
  CopyDone: 0x63,
  CopyInResponse: 0x47,
  CopyOutResponse: 0x48,
  CopyBothResponse: 0x57,
  DataRow: 0x44,
  EmptyQueryResponse: 0x49,
  ErrorResponse: 0x45,
  FunctionCallResponse: 0x56,
  NegotiateProtocolVersion: 0x76,
  NoData: 0x6e,
  NoticeResponse: 0x4e,
  NotificationResponse: 0x41,
  ParameterDescription: 0x74,
  ParameterStatus: 0x53,
  ParseComplete: 0x31,
  PortalSuspended: 0x73,
  ReadyForQuery: 0x5a,
  RowDescription: 0x54,
} as const

/** What the scanner does with a message: refuse it, count it, hand it over whole, or hand over its body as it comes. */
export const handling = { refuse: 0, count: 1, whole: 2, stream: 3 } as const

function table(entries: { readonly [Handling in 'count' | 'whole' | 'stream']: readonly number[] }): Uint8Array {
  const handlingOf = new Uint8Array(256)
  for (const kind of ['count', 'whole', 'stream'] as const)
    for (const type of entries[kind]) handlingOf[type] = handling[kind]
  return handlingOf
}

const f = frontendType
const b = backendType

/** From the client, after authentication. A password message has no place here. */
export const frontendHandling: Uint8Array = table({
  count: [f.Flush, f.CopyDone],
  whole: [f.Query, f.Parse, f.Bind, f.Execute, f.Describe, f.Close, f.Sync, f.CopyFail, f.FunctionCall, f.Terminate],
  stream: [f.CopyData],
})

/** From the server, after authentication. CopyBoth is delivered so that the tracker can refuse it. */
export const backendHandling: Uint8Array = table({
  count: [
    b.CopyData,
    b.DataRow,
    b.ParseComplete,
    b.BindComplete,
    b.CloseComplete,
    b.PortalSuspended,
    b.NoData,
    b.FunctionCallResponse,
    b.EmptyQueryResponse,
    b.CopyDone,
    b.RowDescription,
    b.CopyInResponse,
    b.CopyOutResponse,
  ],
  whole: [
    b.CommandComplete,
    b.ErrorResponse,
    b.ReadyForQuery,
    b.ParameterDescription,
    b.CopyBothResponse,
    b.NotificationResponse,
    b.NoticeResponse,
    b.ParameterStatus,
  ],
  stream: [],
})
