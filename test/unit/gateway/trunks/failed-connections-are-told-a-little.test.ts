import { expect, it } from 'vitest'
import type { Log, LogFields } from '../../../../config/logging.ts'
import { TROUBLE_RATE, TroubleLog } from '../../../../gateway/trunks/trouble-log.ts'

it('one failed connection of a trunk past the rate is not told; of another trunk it is, and later', () => {
  const lines: (LogFields | undefined)[] = []
  const log: Log = {
    error() {},
    warn: (_message, fields) => lines.push(fields),
    info() {},
    debug() {},
    child: () => log,
  }
  let nowMs = 0
  const troubles = new TroubleLog(log, () => nowMs)
  const fail = (trunk: string): void =>
    troubles.tell(trunk, 'tls', { address: '2001:db8::1', port: 5061 }, 'ERR_SSL_WRONG_VERSION_NUMBER')
  for (let count = 0; count <= TROUBLE_RATE.burst; count += 1) fail('pbx')
  expect(lines).toHaveLength(TROUBLE_RATE.burst)
  fail('other')
  expect(lines.at(-1)).toEqual({
    trunk: 'other',
    transport: 'tls',
    remote: '[2001:db8::1]:5061',
    reason: 'ERR_SSL_WRONG_VERSION_NUMBER',
  })
  nowMs = 5_000
  fail('pbx')
  fail('pbx')
  expect(lines).toHaveLength(TROUBLE_RATE.burst + 2)
})
