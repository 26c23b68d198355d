import { parseArgs } from 'node:util'
import { CODES } from '../diagnosis.ts'
import { codesText } from '../ladder/codes-text.ts'
import type { Command } from './command.ts'
import { jsonText } from './text-table.ts'

export const codes: Command = {
  name: 'codes',
  summary: 'every way a call can fail: stage, code, likely causes, what to do',
  usage: `webtrunk codes [--json]

Prints the table of failure codes. No daemon is asked.
`,
  async run(args, io) {
    const { values } = parseArgs({ args: [...args], options: { json: { type: 'boolean', default: false } } })
    io.out(values.json ? jsonText(rows()) : codesText(CODES))
    return 0
  },
}

const rows = () => Object.entries(CODES).map(([code, row]) => ({ code, ...row }))
