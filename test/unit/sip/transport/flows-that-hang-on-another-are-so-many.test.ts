import { expect, it } from 'vitest'
import { PeerFlow } from '../../../../sip/transport/peer-flow.ts'
import { DEFAULT_STREAM_LIMITS } from '../../../../sip/transport/stream-limits.ts'
import { flowTo } from '../../../harness/sip/memory-flows.ts'

it('1 024 flows that went by another hear at once that it is gone; one past them does not', async () => {
  const told: string[] = []
  const flow = new PeerFlow({
    id: 'peer',
    peer: { name: 'pbx', scope: 'trunk:pbx', remote: { address: '192.0.2.9', port: 5060 }, tls: undefined },
    transport: 'tcp',
    local: { address: '192.0.2.1', port: 5060 },
    limits: DEFAULT_STREAM_LIMITS,
    count: () => {},
    // No more connections are allowed.
    connect: () => undefined,
    onClose: ({ id }) => told.push(id),
    isTransportOpen: () => true,
  })
  for (let count = 1; count <= 1_025; count += 1) flow.sendFor(flowTo(`${count}`), Buffer.from('x'))
  await Promise.resolve()
  const others = told.filter((id) => id !== 'peer')
  expect([others.length, others.at(-1)]).toEqual([1_024, '1024'])
})
