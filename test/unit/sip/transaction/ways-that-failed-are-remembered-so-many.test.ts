import { expect, it } from 'vitest'
import type { Flow } from '../../../../sip/flow.ts'
import { WiderWays } from '../../../../sip/transaction/wider-ways.ts'
import { flowTo } from '../../../harness/sip/memory-flows.ts'
import { parseRequest, requestText } from '../../../harness/sip/sip-messages.ts'

const large = parseRequest(requestText('INVITE', [`X: ${'x'.repeat(1_300)}`]))
const peer = (port: number): { readonly flow: Flow; readonly wider: Flow } => {
  const remote = { address: '192.0.2.9', port }
  const wider: Flow = { ...flowTo('tcp'), transport: 'tcp', remote }
  return { flow: { ...flowTo('udp'), transport: 'udp', remote, wider: () => wider }, wider }
}

it('one past 1 024 peers that took no TCP, the one that failed longest ago is asked again', () => {
  const ways = new WiderWays()
  const isAsked = (port: number): boolean => ways.wayFor(large, peer(port).flow, 1) !== undefined
  for (let port = 1; port <= 1_024; port += 1) ways.failed(peer(port).wider, 0)
  expect([isAsked(1), isAsked(1_024), isAsked(1_025)]).toEqual([false, false, true])
  ways.failed(peer(1_025).wider, 0)
  expect([isAsked(1), isAsked(2), isAsked(1_025)]).toEqual([true, false, false])
})
