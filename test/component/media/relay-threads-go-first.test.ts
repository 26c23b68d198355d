import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const ADDON = fileURLToPath(new URL('../../../media/native/build/Release/webtrunk.node', import.meta.url))

/** Prints the nice values of a relay thread and of the thread of JavaScript. */
const SCRIPT = `
const { readdirSync, readFileSync } = require('node:fs'), { getPriority } = require('node:os')
const relay = require(${JSON.stringify(ADDON)}).openRelay({ threadName: 'relay', maxLegs: 4, queueBytes: 65536, strayPerSecond: 10,
  strayBurst: 10, maxStraySources: 10, dscp: 0, gatherUs: 500, sharedBufferBytes: 65536, onReady() {} })
relay.tables() // after its first round
const tid = readdirSync('/proc/self/task').find((one) => readFileSync('/proc/self/task/' + one + '/comm', 'latin1') === 'relay\\n')
console.log(JSON.stringify([getPriority(Number(tid)), getPriority()]))
relay.close()`

/** In a user namespace of its own a process has no rights over the machine, whoever starts it. */
const WITHOUT_RIGHTS = ['unshare', '--user', '--map-root-user']

function run(...[file = '', ...args]: readonly string[]): string {
  return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}

/** `nice` by itself says what it was started with, and keeps it where it may not have what it was told. */
test.each([
  ['this process', []],
  ['a process of less importance', ['nice', '-n', '5']],
  ['a process without rights', WITHOUT_RIGHTS],
])('a relay thread goes ten steps before the rest, where that is granted, in %s', (_, prefix) => {
  const granted = Number(run(...prefix, 'nice', '-n', '-10', 'nice'))
  const own = Number(run(...prefix, 'nice'))
  expect(JSON.parse(run(...prefix, process.execPath, '-e', SCRIPT))).toEqual([granted, own])
})

test('without rights it is as important as the rest', () => {
  const [relay, own] = JSON.parse(run(...WITHOUT_RIGHTS, process.execPath, '-e', SCRIPT))
  expect(relay).toBe(own)
})
