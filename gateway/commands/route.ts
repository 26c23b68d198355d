import { parseArgs } from 'node:util'
import { loadConfig } from '../../config/load.ts'
import { explainRoute } from '../trunks/route-explanation.ts'
import type { Caller } from '../trunks/router.ts'
import type { Command } from './command.ts'
import { EX_CONFIG, EX_USAGE } from './exit-status.ts'
import { jsonText } from './text-table.ts'

export const route: Command = {
  name: 'route',
  summary: 'what becomes of a number: the rule, the trunk, the number and caller ID sent',
  usage: `webtrunk route NUMBER [--from USER | --from-trunk NAME] [--config FILE] [--json]

  --from USER        dialled by this user; left out: by a user without number and limits of its own
  --from-trunk NAME  called by this trunk
  --config FILE      the configuration file; left out: WEBTRUNK_CONFIG, else that of the demo
  --json             for programs

Reads the configuration file only, no daemon is asked. NUMBER may be a URI. Exit status 0 when the number may be called,
1 when it is refused.
`,
  async run(args, io) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        from: { type: 'string' },
        'from-trunk': { type: 'string' },
        config: { type: 'string', short: 'c' },
        json: { type: 'boolean', default: false },
      },
    })
    const [number, ...others] = positionals
    if (
      number === undefined ||
      number === '' ||
      others.length > 0 ||
      (values.from !== undefined && values['from-trunk'] !== undefined)
    ) {
      io.err(route.usage)
      return EX_USAGE
    }
    const config = loadConfig(values.config ?? (io.environment.WEBTRUNK_CONFIG || undefined), io.environment)
    const trunk = values['from-trunk']
    if (trunk !== undefined && !config.trunks.some(({ name }) => name === trunk)) {
      io.err(`webtrunk: no trunk ${JSON.stringify(trunk)} in the configuration\n`)
      return EX_CONFIG
    }
    if (values.from !== undefined && !config.users.some(({ name }) => name === values.from)) {
      io.err(`webtrunk: no user ${JSON.stringify(values.from)} in the configuration\n`)
      return EX_CONFIG
    }
    const caller: Caller =
      trunk === undefined ? { kind: 'user', user: values.from ?? 'anyone' } : { kind: 'trunk', trunk }
    const explanation = explainRoute(number, caller, config)
    io.out(values.json ? jsonText(explanation) : explanation.lines.join(''))
    return explanation.failure === undefined ? 0 : 1
  },
}
