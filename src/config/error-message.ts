// What an error says, for a message that a person reads.

export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
