import { calls } from './commands/calls.ts'
import { check } from './commands/check.ts'
import { codes } from './commands/codes.ts'
import type { Command } from './commands/command.ts'
import { explain } from './commands/explain.ts'
import { metrics } from './commands/metrics.ts'
import { registrations } from './commands/registrations.ts'
import { route } from './commands/route.ts'
import { selftest } from './commands/selftest.ts'
import { trunks } from './commands/trunks.ts'

/** In the order of `webtrunk --help`. What a command needs beyond its text it loads when it runs. */
export const COMMANDS: readonly Command[] = [
  calls,
  explain,
  selftest,
  trunks,
  registrations,
  route,
  check,
  metrics,
  codes,
]
