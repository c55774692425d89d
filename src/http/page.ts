// The page's files. Every path that is not data is the page itself: which view it shows is the page's affair.

import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import files from '@fastify/static'
import type { FastifyInstance } from 'fastify'
import { HalliganError } from '../errors.ts'
import { sendProblem } from './problem.ts'
import { PAGE_POLICY } from './response-headers.ts'

/** Serves `root` (the built page). Without it every path says how to build it. */
export async function servePage(app: FastifyInstance, root: string): Promise<void> {
  const index = join(root, 'index.html')
  const page = existsSync(index) ? await readFile(index) : undefined
  if (page !== undefined)
    await app.register(files, {
      root: join(root, 'assets'),
      prefix: '/assets/',
      index: false,
      serveDotFiles: false,
      cacheControl: false,
      allowedPath: (path) => /^\/?[\w.-]+$/.test(path),
      setHeaders: (reply, path) => {
        // The build names a file after its content; what it did not name may change under its name.
        const isNamedByContent = /-[\w-]{8}\.\w+$/.test(path)
        void reply.header('cache-control', isNamedByContent ? 'public, max-age=31536000, immutable' : 'no-cache')
        void reply.header('content-security-policy', PAGE_POLICY)
      },
    })
  app.setNotFoundHandler(async (request, reply) => {
    const path = request.url.split('?', 1)[0] ?? '/'
    if (request.method !== 'GET' || /^\/(api|ws|assets)\//.test(path) || path.includes('.'))
      return sendProblem(reply, new HalliganError('not_found', 'nothing here'))
    if (page === undefined)
      return sendProblem(
        reply,
        new HalliganError('unavailable', 'the page is not built', {
          hint: 'cd web && ../node_modules/.bin/vite build',
        }),
      )
    void reply.headers({ 'cache-control': 'no-cache', 'content-security-policy': PAGE_POLICY })
    return reply.type('text/html; charset=utf-8').send(page)
  })
}
