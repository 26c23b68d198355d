import { expect, test } from 'vitest'
import { UpstreamLine } from '../../../../gateway/registration/upstream-line.ts'
import type { Flow } from '../../../../sip/flow.ts'
import type { SipResponse } from '../../../../sip/message/message.ts'
import { config, tableOf } from '../../../harness/trunk-tables.ts'

const REST_MS = 30_000
const answer = (status: number): SipResponse =>
  ({ kind: 'response', status, reason: '', headers: [], body: Buffer.alloc(0) }) as unknown as SipResponse

test('the PBX is asked at one of its addresses for as long as that answers, and at the next one when it does not', async () => {
  const trunk = config({ name: 'upstream' })
  const names = new Map([['pbx.example.com', ['198.51.100.1', '198.51.100.2']]])
  const { table, clock } = tableOf({ names }, trunk)
  await table.refresh()
  const line = new UpstreamLine({
    config: {
      ...{ trunk, credentials: 'gateway', domain: 'example.com', path: false, expiresS: 300, graceS: 30 },
      ...{ local: { host: [], port: 0, announced: [] }, certificate: undefined },
    },
    trunks: table,
    flowTo: ({ remote }) => ({ remote }) as Flow,
    nowMs: () => clock.nowMs,
    sentBy: () => ({ host: '192.0.2.1', port: 5060 }),
  })
  const place = (): string => line.path().flow.remote.address
  expect(place()).toBe('198.51.100.1')
  for (const outcome of [answer(200), answer(403), answer(500), 'overload', 'too-large'] as const) {
    line.path().heard(outcome)
    expect(place()).toBe('198.51.100.1')
  }
  line.path().heard('timeout')
  expect(place()).toBe('198.51.100.2')
  // It is not left because the other one may be back.
  clock.nowMs += REST_MS
  expect(place()).toBe('198.51.100.2')
  line.path().heard('transport')
  expect(place()).toBe('198.51.100.1')
  line.path().heard('transport')
  // Where none answers, one is asked all the same.
  expect(place()).toBe('198.51.100.1')
})
