import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { openRelay, WITHOUT_RIGHTS } from '../../harness/relay-script.ts'

/** Prints the nice values of a relay thread and of the thread of JavaScript. */
const SCRIPT = `
const { readdirSync, readFileSync } = require('node:fs'), { getPriority } = require('node:os')
const relay = ${openRelay()}
// What is asked of it is done in its first round, before which it has chosen.
relay.heartbeat()
relay.tables()
const tid = readdirSync('/proc/self/task').find((one) => readFileSync('/proc/self/task/' + one + '/comm', 'latin1') === 'relay\\n')
console.log(JSON.stringify([getPriority(Number(tid)), getPriority()]))
relay.close()`

function run(...[file = '', ...args]: readonly string[]): string {
  return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}

/** A limit on nice values (RLIMIT_NICE) can be lowered by anybody. Raising it, as our systemd unit does, is not tested: few test machines allow it. */
const WITHOUT_LIMIT_AND_RIGHTS = ['prlimit', '--nice=0:0', ...WITHOUT_RIGHTS]

/** `nice` by itself says what it was started with, and keeps it where it may not have what it was told. */
test.each([
  ['this process', []],
  ['a process of less importance', ['nice', '-n', '5']],
  ['a process without rights', WITHOUT_LIMIT_AND_RIGHTS],
])('a relay thread goes ten steps before the rest, where that is granted, in %s', (_, prefix) => {
  const granted = Number(run(...prefix, 'nice', '-n', '-10', 'nice'))
  const own = Number(run(...prefix, 'nice'))
  expect(JSON.parse(run(...prefix, process.execPath, '-e', SCRIPT))).toEqual([granted, own])
})

test('without rights it is as important as the rest', () => {
  const [relay, own] = JSON.parse(run(...WITHOUT_LIMIT_AND_RIGHTS, process.execPath, '-e', SCRIPT))
  expect(relay).toBe(own)
})
