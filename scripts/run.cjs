'use strict'
// The launcher: finds or brings Node 26, the packages and the built page, then runs the command under Node 26.
// Plain CommonJS that Node 18 parses. It needs npm for the first run only; no install script of any package runs,
// and package.json and the lockfiles are left as they are.
const { spawn, spawnSync } = require('node:child_process')
const { createHash } = require('node:crypto')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const NODE_MAJOR = 26
const root = path.resolve(__dirname, '..')
const at = (...parts) => path.join(root, ...parts)

main().catch((error) => {
  process.stderr.write(`halligan: ${error.message}\n`)
  process.exitCode = 1
})

async function main() {
  const [command = 'start', ...args] = process.argv.slice(2)
  const node = node26()
  installPackages(node)
  buildPage(node)
  // What concerns the clone runs in it; Halligan's own commands take paths as whoever typed them meant them.
  const cwd = ['test', 'check', 'format', 'bench', 'fuzz', 'dev'].includes(command) ? root : process.cwd()
  for (const step of steps(command, args)) {
    const code = await run(node, step, cwd)
    if (code !== 0) {
      process.exitCode = code
      return
    }
  }
}

/** The argument lists for Node 26, one after the other, until one fails. */
function steps(command, args) {
  const bin = (name, entry) => at('node_modules', name, entry)
  const tsc = bin('typescript', 'bin/tsc')
  const served = args.some((arg) => /^--config(=|$)/.test(arg)) ? 'serve' : 'demo'
  const checks = [
    [tsc, '--project', 'tsconfig.json'],
    [tsc, '--project', 'web/tsconfig.json'],
    [bin('oxlint', 'bin/oxlint'), '--type-aware', '--deny-warnings'],
    [bin('oxfmt', 'bin/oxfmt'), '--check'],
  ]
  switch (command) {
    case 'start':
      return [[at('src/main.ts'), served, ...args]]
    case 'dev':
      return [[at('scripts/dev.ts'), served, ...args]]
    case 'prepare': // Node, packages and page, and nothing run: what the Dockerfile and .ci/run begin with
      return []
    case 'test':
      return [[at('scripts/test.ts'), ...args]]
    case 'check':
      return args.includes('--static') ? checks : [...checks, [at('scripts/test.ts'), ...args]]
    case 'format':
      return [[bin('oxfmt', 'bin/oxfmt')]]
    case 'bench':
      return [[at('bench/run.ts'), ...args]]
    case 'fuzz':
      return [[at('scripts/fuzz.ts'), ...args]]
    case 'node': // what a script of ours runs under the same Node: `node scripts/run.cjs node FILE`
      return [args]
    default:
      return [[at('src/main.ts'), command, ...args]]
  }
}

/** Path of a Node of the wanted major: the running one, or the one that `tools/node` brings. */
function node26() {
  if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR) return process.execPath
  const home = at('tools', 'node')
  const binary = path.join(home, 'node_modules', `node-${os.platform()}-${os.arch()}`, 'bin', 'node')
  const lock = path.join(home, 'package-lock.json')
  if (!stampIs(path.join(home, 'node_modules', '.halligan-stamp'), digest([lock])) || !fs.existsSync(binary)) {
    say(`bringing Node ${NODE_MAJOR} (this machine has ${process.versions.node})`)
    npm(process.execPath, home, ['install', '--ignore-scripts', '--no-save'])
    // Exists, but does not start: a machine whose C library is not the one it was built for.
    if (!fs.existsSync(binary) || spawnSync(binary, ['--version']).status !== 0)
      throw new Error(
        `no Node ${NODE_MAJOR} for ${os.platform()}-${os.arch()} in the registry that runs here\nhint: install Node ${NODE_MAJOR} and run the command again`,
      )
    stamp(path.join(home, 'node_modules', '.halligan-stamp'), digest([lock]))
  }
  return binary
}

/** Installs the locked packages when lockfile, platform or Node major changed since the last time. */
function installPackages(node) {
  const file = at('node_modules', '.halligan-stamp')
  const want = digest([at('package-lock.json')], `${os.platform()}-${os.arch()}-${NODE_MAJOR}`)
  if (stampIs(file, want)) return
  say('installing packages')
  npm(node, root, ['install', '--ignore-scripts', '--no-save'])
  stamp(file, want)
}

/** Builds `web/` into `web/dist` when one of its inputs changed. */
function buildPage(node) {
  const web = at('web')
  if (!fs.existsSync(path.join(web, 'index.html'))) return
  const file = path.join(web, 'dist', '.halligan-stamp')
  const want = digest([...filesBelow(web), at('package-lock.json')])
  if (stampIs(file, want)) return
  say('building the page')
  const built = spawnSync(
    node,
    [at('node_modules/vite/bin/vite.js'), 'build', '--configLoader', 'native', '--logLevel', 'warn'],
    {
      cwd: web,
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  )
  if (built.status !== 0) throw new Error('the page did not build')
  stamp(file, want)
}

/** Runs npm's own program under `node` in `cwd`: never a `npm` of the PATH, which runs under its own Node. */
function npm(node, cwd, args) {
  const cli = npmCli()
  const result = spawnSync(
    node,
    [cli, ...args, '--loglevel=error', '--no-audit', '--no-fund', '--no-update-notifier'],
    {
      cwd,
      env: npmEnvironment(node, cli),
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  )
  if (result.status !== 0)
    throw new Error(
      `npm install failed in ${path.relative(process.cwd(), cwd) || '.'}\nhint: is the npm registry reachable, and the folder writable for user ${process.getuid ? process.getuid() : ''}?`,
    )
}

/** What npm needs around it: `node` first on the PATH, the machine's own npm settings, a cache it can write. */
function npmEnvironment(node, cli) {
  // `npm start` hands npm_* settings of the outer project down; an inner npm must not take them for its own.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_(package|lifecycle|command|config_local_prefix)/i.test(name)),
  )
  env.PATH = `${path.dirname(node)}${path.delimiter}${process.env.PATH || ''}`
  // npm looks for its global settings (a company's registry, its CA) beside the Node that runs it. Under the Node we
  // brought there are none, so it is told where the machine's own npm has them. `npm start` has set this already.
  if (!env.npm_config_globalconfig) {
    const asked = spawnSync(process.execPath, [cli, 'config', 'get', 'globalconfig', '--loglevel=error'], {
      env,
      encoding: 'utf8',
    })
    if (asked.status === 0 && asked.stdout.trim() !== '') env.npm_config_globalconfig = asked.stdout.trim()
  }
  // An account without a home of its own (nobody) cannot hold npm's cache there.
  if (!env.npm_config_cache && !writable(os.homedir())) env.npm_config_cache = at('.halligan', 'npm-cache')
  return env
}

function writable(folder) {
  try {
    fs.accessSync(folder, fs.constants.W_OK)
    return true
  } catch {
    return false
  }
}

function npmCli() {
  const places = [
    process.env.npm_execpath,
    path.join(path.dirname(process.execPath), '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js'),
    ...(process.env.PATH ?? '').split(path.delimiter).map((dir) => path.join(dir, 'npm')),
    '/usr/share/nodejs/npm/bin/npm-cli.js',
  ]
  for (const place of places) {
    if (!place || !fs.existsSync(place)) continue
    const real = fs.realpathSync(place)
    if (real.endsWith('npm-cli.js')) return real
  }
  throw new Error('npm was not found\nhint: install npm 10 or later')
}

/** Runs one step to its end and gives its exit code; signals meant for us reach it. */
function run(node, args, cwd) {
  return new Promise((resolve) => {
    // The IPC channel tells main.ts that the launcher is gone, however it went.
    const child = spawn(node, args, { cwd, stdio: ['inherit', 'inherit', 'inherit', 'ipc'] })
    const forward = (signal) => child.kill(signal)
    // A terminal sends Ctrl-C and its hang-up to the whole group: the child has them already, and a second one would
    // cut its orderly end short. Wherever else they come from, somebody meant only us.
    process.on('SIGTERM', forward)
    for (const signal of ['SIGINT', 'SIGHUP']) process.on(signal, () => process.stdin.isTTY || forward(signal))
    whenNpmIsGone(() => child.kill('SIGTERM'))
    child.on('error', (error) => {
      process.stderr.write(`halligan: ${error.message}\n`)
      resolve(1)
    })
    child.on('exit', (code, signal) => resolve(code ?? 128 + (os.constants.signals[signal] ?? 0)))
  })
}

/**
 * npm hands a signal to the shell it started and no further, and a killed npm tells nobody: without this the program
 * would run on with nobody to stop it. Started by hand, the launcher's parent may come and go.
 */
function whenNpmIsGone(stop) {
  if (!process.env.npm_lifecycle_event) return
  const before = ancestors()
  const timer = setInterval(() => {
    if (ancestors() === before) return
    clearInterval(timer)
    stop()
  }, 1000)
  timer.unref()
}

/** Our parent and, where that is npm's shell and /proc tells, its parent: npm. */
function ancestors() {
  const parent = process.ppid
  try {
    const stat = fs.readFileSync(`/proc/${parent}/stat`, 'utf8')
    const isShell = /^\d+ \((ba|da)?sh\) /.test(stat)
    return isShell ? `${parent} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]}` : String(parent)
  } catch {
    return String(parent)
  }
}

function filesBelow(folder) {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const full = path.join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'dist' || entry.name === 'node_modules' ? [] : filesBelow(full)
    return [full]
  })
}

function digest(files, extra = '') {
  const hash = createHash('sha256').update(extra)
  for (const file of [...files].sort())
    hash.update(path.relative(root, file)).update('\0').update(fs.readFileSync(file)).update('\0')
  return hash.digest('hex')
}

function stampIs(file, value) {
  return fs.existsSync(file) && fs.readFileSync(file, 'utf8') === value
}

function stamp(file, value) {
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, value)
}

function say(text) {
  process.stderr.write(`halligan: ${text}\n`)
}
