import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Real clients and servers run beside the tests: more files at once only make them wait for each other.
    maxWorkers: 2,
    // Errors that tests provoke are asserted, not printed.
    env: { HALLIGAN_LOG: process.env['HALLIGAN_LOG'] ?? 'silent' },
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 15_000,
  },
})
