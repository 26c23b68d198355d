import type { Command } from './command.ts'
import { calls } from './commands/calls.ts'
import { check } from './commands/check.ts'
import { codes } from './commands/codes.ts'
import { explain } from './commands/explain.ts'
import { registrations } from './commands/registrations.ts'
import { route } from './commands/route.ts'
import { trunks } from './commands/trunks.ts'

/** In the order of `webtrunk --help`. What a command needs beyond its text it loads when it runs. */
export const COMMANDS: readonly Command[] = [calls, explain, trunks, registrations, route, check, codes]
