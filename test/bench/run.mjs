// Runs a TypeScript bench on Node 20: bundles test/bench/NAME*.ts into dist/bench (packages stay outside) and starts it.
import { spawn, spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const [name, ...rest] = process.argv.slice(2)
const here = fileURLToPath(new URL('.', import.meta.url))
const outdir = fileURLToPath(new URL('../../dist/bench/', import.meta.url))
const BENCHES = ['media', 'register', 'sip', 'sip-parser']
const sources = readdirSync(here).filter((file) => file.endsWith('.ts'))
if (name === undefined || !BENCHES.includes(name)) {
  console.error(`usage: node test/bench/run.mjs ${BENCHES.join('|')}`)
  process.exit(64)
}
await build({
  entryPoints: sources.map((file) => `${here}${file}`),
  outdir,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  packages: 'external',
  logLevel: 'warning',
})
// Figures of an addon older than its sources would say nothing of them. Does nothing when it is not.
const addon = fileURLToPath(new URL('../../media/native/build.mjs', import.meta.url))
const { status } = spawnSync(process.execPath, [addon], { stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)
if (name === 'media') {
  const { buildLoadGenerator } = await import('./native/build.mjs')
  buildLoadGenerator()
}
const bench = spawn(process.execPath, [`${outdir}${name}.js`, ...rest], { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => bench.kill(signal))
bench.on('exit', (status) => process.exit(status ?? 1))
