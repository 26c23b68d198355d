/**
 * `npm test`: from a fresh clone to the result of every check and test that this machine can run. Ends with
 * `N passed, N failed` on a line of its own, and with status 0 only when nothing failed and nothing was left out.
 * Arguments go to vitest: `npm test -- test/unit/sip`; `--project long` is `npm run test:long`.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  ROOT,
  requireBuild,
  requireModules,
  requireNode,
  requirePackages,
  statusOf,
} from '../gateway/prepare.mjs'
import { TEST_PACKAGES } from './packages.mjs'
import { summaryOf } from './summary.mjs'

const REPORT = join(ROOT, 'dist', 'test-report.json')

let isSummarised = false
process.on('exit', () => {
  // A step of the preparation ended us; it has said why.
  if (!isSummarised) console.log('\n0 passed, 1 failed')
})

requireNode()
await requirePackages(TEST_PACKAGES)
await requireModules()
await requireBuild()

const asked = process.argv.slice(2)
const projects = asked.includes('--project')
  ? []
  : ['--project', 'unit', '--project', 'component*', '--project', 'interop']
const checks = [
  ['format and lint', 'node_modules/@biomejs/biome/bin/biome', 'check'],
  ['types', 'node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'],
  ['types of the page', 'node_modules/typescript/bin/tsc', '-p', 'gateway/pages/tsconfig.json'],
  [
    'types of the browser agents',
    'node_modules/typescript/bin/tsc',
    '-p',
    'test/harness/browser-agent/tsconfig.json',
  ],
]

const failedChecks = []
for (const [name, script, ...args] of checks) {
  if ((await statusOf(process.execPath, [script, ...args])) !== 0) failedChecks.push(name)
}

mkdirSync(join(ROOT, 'dist'), { recursive: true })
rmSync(REPORT, { force: true })
const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${REPORT}`]
const vitest = ['node_modules/vitest/vitest.mjs', 'run', ...projects, ...asked, ...reporters]
const status = await statusOf(process.execPath, vitest)

// Only lost and wrong packets are failures here: a time says more of the machine than of us.
if (
  asked.length === 0 &&
  (await statusOf(process.execPath, ['test/bench/run.mjs', 'media', '--quick'])) !== 0
) {
  failedChecks.push('bench')
}

const report = existsSync(REPORT) ? JSON.parse(readFileSync(REPORT, 'utf8')) : undefined
const { lines, isGood } = summaryOf(report, status, failedChecks)
console.log(lines.join('\n'))
isSummarised = true
process.exit(isGood ? 0 : 1)
