import { afterEach, expect, test } from 'vitest'
import { StreamTransport } from '../../../sip/transport/stream.ts'
import { expectNothingLeft } from '../../harness/sip/pair.ts'
import { Phone, sdp } from '../../harness/sip/phone.ts'
import { reply } from '../../harness/sip/scripted-peer.ts'
import { closeAll, closing, peerAt, trunk, until } from '../../harness/sip/stream-site.ts'
import { VirtualClock } from '../../harness/sip/virtual-clock.ts'

afterEach(closeAll)

/** It has rung over TCP, and connections to it are refused from now on; the one it rang by is there yet. */
async function ringing({ isUrgent = false } = {}) {
  const pbx = await trunk()
  const clock = new VirtualClock()
  const phone = new Phone(clock)
  const peer = peerAt(pbx.port)
  let losses = 0
  const transport = await StreamTransport.open({
    address: { address: '127.0.0.1', port: 0 },
    handler: {
      onMessage: (bytes, flow) => phone.agent.receive(bytes, flow),
      onClose: (flow) => {
        if (flow === transport.flowTo(peer)) losses += 1
        phone.agent.flowClosed(flow)
      },
      onTrouble: () => {},
    },
    peersAt: () => [peer],
    strangerScope: 'stranger',
    token: () => clock.token(),
    limits: { minBackOffMs: 1, maxBackOffMs: 1 },
  })
  closing(() => transport.close())
  const call = phone.call(transport.flowTo(peer), { body: sdp('offer'), isUrgent })
  await until(() => pbx.sockets[0]?.heard.text.startsWith('INVITE') === true)
  const [first] = pbx.sockets
  const invite = first?.heard.text ?? ''
  first?.socket.write(reply(invite, 180))
  await until(() => phone.diary.length === 1)
  pbx.server.close()
  /** So many connections are lost, or were refused. */
  const lost = (count: number): Promise<void> => until(() => losses === count)
  return { pbx, clock, phone, call, invite, lost, breakOff: () => first?.socket.destroy() }
}

test('an urgent call is told at once', async () => {
  const { clock, phone, lost, breakOff } = await ringing({ isUrgent: true })
  breakOff()
  await lost(2)
  // The question failed with its connection.
  expect(phone.diary).toEqual(['progress 180', 'reject transport'])
  clock.advance(40_000)
  expectNothingLeft(phone)
})

test('one that its caller has given up is cancelled when it listens again', async () => {
  const { pbx, clock, phone, call, invite, lost, breakOff } = await ringing()
  breakOff()
  // Whether it still rings cannot be asked.
  await lost(2)
  call.cancel()
  await lost(3)
  expect(phone.diary).toEqual(['progress 180'])
  pbx.server.listen(pbx.port, '127.0.0.1')
  await until(() => pbx.server.listening)
  clock.advance(4_000)
  await until(() => pbx.sockets[1]?.heard.text.startsWith('CANCEL') === true)
  pbx.sockets[1]?.socket.write(reply(pbx.sockets[1].heard.text, 200) + reply(invite, 487))
  await until(() => phone.diary.length === 2)
  expect(phone.diary).toEqual(['progress 180', 'reject 487'])
  clock.advance(40_000)
  expectNothingLeft(phone)
})
