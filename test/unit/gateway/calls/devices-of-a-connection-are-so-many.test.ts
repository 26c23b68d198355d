import { expect, it } from 'vitest'
import type { Log } from '../../../../config/logging.ts'
import { Homes } from '../../../../gateway/calls/homes.ts'
import { Refusals } from '../../../../gateway/refusals.ts'
import type { Device } from '../../../../gateway/registration/registrar.ts'
import type { Relay } from '../../../../gateway/relay/relay.ts'
import type { Flow } from '../../../../sip/flow.ts'
import { parseNameAddr } from '../../../../sip/message/name-addr.ts'
import type { UserAgent } from '../../../../sip/user-agent.ts'
import { flowTo } from '../../../harness/sip/memory-flows.ts'
import { VirtualTime } from '../../../harness/virtual-time.ts'

const log: Log = { error() {}, warn() {}, info() {}, debug() {}, child: () => log }

it('16 devices of a user are known of a connection; of one more, the oldest does not get its calls back', () => {
  const moved: string[] = []
  const userAgent: Partial<UserAgent> = {
    usesOf: () => 1,
    rehome: (_from, to) => moved.push(to.id),
    forsake: () => {},
  }
  const relay: Partial<Relay> = { usesOf: () => 0, rehome: () => {} }
  const environment = new VirtualTime()
  const homes = new Homes({
    userAgent: userAgent as UserAgent,
    relay: relay as Relay,
    registration: { authenticateCaller: () => undefined, bindingsOf: () => [] },
    environment,
    log,
    refusals: new Refusals({ nowMs: () => environment.nowMs(), log }),
    lostConnectionS: 600,
  })
  const register = (name: string, flow: Flow): void => {
    const device: Device = { flow, contact: parseNameAddr(`<sip:${name}@x.invalid>`), instance: name }
    homes.registered({ user: 'alice', flow, bound: [device], superseded: [] })
  }
  const old = flowTo('old')
  for (let count = 1; count <= 17; count += 1) register(`device${count}`, old)
  homes.flowClosed(old)
  register('device1', flowTo('new1'))
  register('device2', flowTo('new2'))
  expect(moved).toEqual(['new2'])
  homes.close()
})
