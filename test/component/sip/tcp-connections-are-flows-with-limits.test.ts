import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { NamedFlow } from '../../../sip/named-flow.ts'
import type { StreamTransport } from '../../../sip/transport/stream.ts'
import { freePort } from '../../harness/ports.ts'
import {
  closeAll,
  dial,
  listenTo,
  message,
  open,
  peerAt,
  trunk,
  until,
} from '../../harness/sip/stream-site.ts'

afterEach(closeAll)

/** Its counters once so many connections have come. */
async function seenBy(transport: StreamTransport, count: number) {
  await until(() => transport.counters().accepted + transport.counters().refusedOften === count)
  return transport.counters()
}

describe('a connection of a trunk', () => {
  test('is a flow: what comes by it is answered by it', async () => {
    const { transport, received } = await open({ peer: peerAt(9) })
    const one = await dial(transport.local.port)
    const other = await dial(transport.local.port)
    one.socket.write(message('one') + message('two', 'body'))
    other.socket.write(message('three'))
    await until(() => received.length === 3)
    expect(received.map(({ text }) => text).sort()).toEqual(
      [message('one'), message('three'), message('two', 'body')].sort(),
    )
    for (const { text, flow } of received) flow.send(Buffer.from(`re ${text.slice(12, 15)};`))
    await until(() => one.heard.text === 're one;re two;' && other.heard.text === 're thr;')
    const [first] = received
    expect(first?.flow).toMatchObject({
      transport: 'tcp',
      scope: 'trunk:pbx',
      isOpen: true,
      local: transport.local,
    })
    expect(transport.connectionCount).toBe(2)
  })

  test('carries keep-alives', async () => {
    const { transport } = await open({ peer: peerAt(9) })
    const { socket, heard } = await dial(transport.local.port)
    socket.write('\r\n\r\n')
    await until(() => heard.text === '\r\n')
    expect(transport.counters().keepAlive).toBe(1)
  })

  test('that ends is told, and its flow leads to where the trunk listens', async () => {
    const pbx = await trunk()
    const { transport, received, closed } = await open({ peer: peerAt(pbx.port) })
    const { socket } = await dial(transport.local.port)
    socket.write(message('hello'))
    await until(() => received.length === 1)
    const flow = received[0]?.flow
    socket.destroy()
    await until(() => closed.length === 1)
    expect(closed[0]).toBe(flow)
    expect(flow?.isOpen).toBe(true)
    flow?.send(Buffer.from(message('bye')))
    await until(() => pbx.sockets[0]?.heard.text === message('bye'))
    // What waits for an answer by the first flow hears of the end of the second connection too.
    pbx.sockets[0]?.socket.destroy()
    await until(() => closed.filter((gone) => gone === flow).length === 2)
  })

  test('says no more after what is no SIP, and is counted', async () => {
    const { transport, received } = await open({ peer: peerAt(9), limits: { maxMessageBytes: 1_000 } })
    const garbage = await dial(transport.local.port)
    garbage.socket.write(`${message('one')}GET / HTTP/1.1\r\n\r\n${message('two')}`)
    const large = await dial(transport.local.port)
    large.socket.write(message('large', 'x'.repeat(1_000)))
    await until(() => garbage.heard.isClosed && large.heard.isClosed)
    expect(received.map(({ text }) => text)).toEqual([message('one')])
    expect(transport.counters()).toMatchObject({ cutMalformed: 1, cutTooLarge: 1, received: 1 })
  })

  test('has so long for a message, whatever trickles in', async () => {
    const { transport, received } = await open({ peer: peerAt(9), limits: { messageMs: 200 } })
    const { socket, heard } = await dial(transport.local.port)
    // A whole one first: the time is of the message that does not end.
    socket.write(`${message('one')}MESSAGE sip:`)
    const trickle = setInterval(() => socket.write('a'), 20)
    await until(() => heard.isClosed)
    clearInterval(trickle)
    expect(received).toHaveLength(1)
    expect(transport.counters()).toMatchObject({ cutSlowSender: 1 })
  })

  test('that is silent is closed', async () => {
    const { transport } = await open({ peer: peerAt(9), limits: { idleMs: 100 } })
    const { heard } = await dial(transport.local.port)
    await until(() => heard.isClosed)
    expect(transport.counters()).toMatchObject({ cutIdle: 1 })
    await until(() => transport.connectionCount === 0)
  })

  test('that is silent is heard to the end: what was sent before the peer knew is no less true', async () => {
    const { transport, received } = await open({ peer: peerAt(9), limits: { idleMs: 100 } })
    const { port } = transport.local
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    const heard = listenTo(socket)
    await once(socket, 'end')
    socket.write(`\r\n\r\n${message('one')}${message('two')}`)
    await until(() => received.length === 2)
    // Who does not end its half is not waited for.
    await until(() => transport.connectionCount === 0)
    expect(heard.text).toBe('')
    expect(transport.counters()).toMatchObject({ cutIdle: 1, keepAlive: 1, received: 2, error: 0 })
  })

  test('that was closed for another reason is not heard any more', async () => {
    const { transport, received } = await open({ peer: peerAt(9) })
    const socket = connect({ port: transport.local.port, host: '127.0.0.1', allowHalfOpen: true })
    listenTo(socket)
    socket.write(message('one'))
    await until(() => received.length === 1)
    received[0]?.flow.close('')
    await once(socket, 'end')
    socket.write(message('two'))
    await until(() => transport.connectionCount === 0)
    expect(received).toHaveLength(1)
  })

  test('whose peer does not read is cut', async () => {
    const { transport, received } = await open({ peer: peerAt(9), limits: { maxBufferedBytes: 100_000 } })
    const { socket } = await dial(transport.local.port)
    socket.write(message('one'))
    await until(() => received.length === 1)
    socket.pause()
    const flow = received[0]?.flow
    for (let i = 0; i < 1_000 && transport.counters().cutSlowReader === 0; i += 1) {
      flow?.send(Buffer.alloc(100_000))
    }
    expect(transport.counters().cutSlowReader).toBe(1)
    socket.resume()
  })

  test("is closed when its address is the trunk's no more", async () => {
    const peer = { ...peerAt(9) }
    const { transport } = await open({ peer })
    const { heard } = await dial(transport.local.port)
    await until(() => transport.connectionCount === 1)
    transport.refresh()
    expect(heard.isClosed).toBe(false)
    peer.scope = 'trunk:other'
    transport.refresh()
    await until(() => heard.isClosed)
  })
})

test('a connection of one of two trunks at an address is continued by that trunk', async () => {
  const [first, second] = [await trunk(), await trunk()]
  const peers = [peerAt(first.port, undefined, 'first'), peerAt(second.port, undefined, 'second')]
  const { transport, received } = await open({
    peers,
    limits: { minBackOffMs: 60_000, maxBackOffMs: 60_000 },
  })
  const { socket, heard } = await dial(transport.local.port)
  socket.write(message('invite'))
  await until(() => received.length === 1)
  // What is in the request says whose it is.
  const came = received[0]?.flow
  const flow = came && new NamedFlow(came, 'second')
  flow?.send(Buffer.from(message('ok')))
  await until(() => heard.text === message('ok'))
  socket.destroy()
  await until(() => transport.connectionCount === 0)
  flow?.send(Buffer.from(message('bye')))
  const endSilent = flow?.watchSilence()
  await until(() => second.sockets[0]?.heard.text === message('bye'))
  endSilent?.()
  await until(() => second.sockets[0]?.heard.isClosed === true)
  // It has failed, and rests; the other trunk would be open. The trunk may see the end first.
  await until(() => flow?.isOpen === false)
  expect([flow?.isOpen, came?.isOpen]).toEqual([false, true])
  expect(first.sockets).toHaveLength(0)
  // No such trunk is there any more.
  expect(came && new NamedFlow(came, 'third').isOpen).toBe(false)
})

describe('one connection too many', () => {
  test('of an address is refused, and taken when another has gone', async () => {
    const { transport } = await open({ peer: peerAt(9), limits: { maxConnectionsPerAddress: 2 } })
    const first = await dial(transport.local.port)
    await dial(transport.local.port)
    const third = await dial(transport.local.port)
    await until(() => third.heard.isClosed)
    expect(transport.counters()).toMatchObject({ accepted: 2, refusedFull: 1 })
    first.socket.destroy()
    await until(() => transport.connectionCount === 1)
    await dial(transport.local.port)
    await until(() => transport.counters().accepted === 3)
  })

  test('in all is refused, those of ours included', async () => {
    const pbx = await trunk()
    const { transport, closed } = await open({ peer: peerAt(pbx.port), limits: { maxConnections: 1 } })
    const { socket } = await dial(transport.local.port)
    await until(() => transport.connectionCount === 1)
    const flow = transport.flowTo(peerAt(pbx.port))
    flow.send(Buffer.from(message('one')))
    await until(() => closed.includes(flow))
    expect(transport.counters()).toMatchObject({ refusedFull: 1, sendFailed: 1 })
    socket.destroy()
    await until(() => transport.connectionCount === 0)
    flow.send(Buffer.from(message('two')))
    await until(() => pbx.sockets[0]?.heard.text === message('two'))
  })

  test.each([
    ['of strangers', {}, { maxStrangers: 1, strangersPerSecond: 0 }],
    ['of a trunk', { peer: peerAt(9) }, { maxConnectionsPerAddress: 1, openedPerSecond: 0 }],
  ])('%s in a short time is refused, though none is open', async (_whose, site, limits) => {
    const { transport } = await open({ ...site, limits })
    for (const turn of [1, 2, 3]) {
      const { socket, heard } = await dial(transport.local.port)
      const { accepted, refusedOften } = await seenBy(transport, turn)
      expect([accepted, refusedOften]).toEqual(turn < 3 ? [turn, 0] : [2, 1])
      socket.destroy()
      await until(() => heard.isClosed && transport.connectionCount === 0)
    }
  })

  test('of strangers takes no place of a trunk', async () => {
    const options = { limits: { maxStrangers: 1, maxConnections: 1 } }
    const { transport } = await open(options)
    await dial(transport.local.port)
    const second = await dial(transport.local.port)
    await until(() => second.heard.isClosed)
    const pbx = await trunk()
    transport.flowTo(peerAt(pbx.port)).send(Buffer.from(message('one')))
    await until(() => pbx.sockets[0]?.heard.text === message('one'))
  })
})

describe('a stranger', () => {
  test('may be answered and is closed', async () => {
    const { transport, received } = await open()
    const { socket, heard } = await dial(transport.local.port)
    socket.write(message('one'))
    await until(() => received.length === 1)
    const flow = received[0]?.flow
    expect(flow?.scope).toBe('stranger')
    flow?.send(Buffer.from('403'))
    flow?.close('stranger')
    expect(flow?.isOpen).toBe(false)
    flow?.send(Buffer.from('never'))
    await until(() => heard.isClosed)
    expect(heard.text).toBe('403')
    expect(transport.counters()).toMatchObject({ sendFailed: 1 })
  })

  test('that says nothing, or nothing but keep-alives, is closed', async () => {
    const { transport } = await open({ limits: { strangerMs: 200 } })
    const { socket, heard } = await dial(transport.local.port)
    const alive = setInterval(() => socket.write('\r\n\r\n'), 20)
    await until(() => heard.isClosed)
    clearInterval(alive)
    expect(transport.counters()).toMatchObject({ cutStranger: 1 })
  })
})

describe('the flow to a trunk', () => {
  test('connects for the first message and keeps the connection for the next', async () => {
    const pbx = await trunk()
    const { transport, received } = await open()
    const flow = transport.flowTo(peerAt(pbx.port))
    expect(flow).toMatchObject({ transport: 'tcp', scope: 'trunk:pbx', isOpen: true, local: transport.local })
    expect(transport.flowTo(peerAt(pbx.port))).toBe(flow)
    expect(pbx.sockets).toHaveLength(0)
    flow.send(Buffer.from(message('one')))
    flow.send(Buffer.from(message('two')))
    await until(() => pbx.sockets[0]?.heard.text === message('one') + message('two'))
    // RFC 5923: the trunk sends its requests by our connection.
    pbx.sockets[0]?.socket.write(message('three'))
    await until(() => received.length === 1)
    expect(received[0]?.flow.scope).toBe('trunk:pbx')
    received[0]?.flow.send(Buffer.from('answer'))
    await until(() => pbx.sockets[0]?.heard.text.endsWith('answer') === true)
    expect(pbx.sockets).toHaveLength(1)
  })

  test('connects again after the trunk has closed', async () => {
    const pbx = await trunk()
    const { transport, received, closed } = await open()
    const flow = transport.flowTo(peerAt(pbx.port))
    flow.send(Buffer.from(message('one')))
    await until(() => pbx.sockets[0]?.heard.text === message('one'))
    pbx.sockets[0]?.socket.write('SIP/2.0 200 OK\r\nl: 0\r\n\r\n')
    await until(() => received.length === 1)
    pbx.sockets[0]?.socket.destroy()
    await until(() => closed.includes(flow))
    expect(flow.isOpen).toBe(true)
    flow.send(Buffer.from(message('two')))
    await until(() => pbx.sockets[1]?.heard.text === message('two'))
  })

  test('is silent when nothing at all comes by the connection that took a request; the next message opens another', async () => {
    const pbx = await trunk()
    const { transport, received, closed } = await open()
    const flow = transport.flowTo(peerAt(pbx.port))
    flow.send(Buffer.from(message('one')))
    const endFirst = flow.watchSilence()
    await until(() => pbx.sockets[0]?.heard.text === message('one'))
    // Anything is a sign of life.
    pbx.sockets[0]?.socket.write('\r\n\r\n')
    await until(() => transport.counters().keepAlive === 1)
    endFirst?.()
    flow.send(Buffer.from(message('two')))
    const endSecond = flow.watchSilence()
    await until(() => pbx.sockets[0]?.heard.text.endsWith(message('two')) === true)
    expect(transport.counters().cutSilent).toBe(0)
    // Its other end has gone without a word: it takes no bytes, and closes nothing.
    pbx.sockets[0]?.socket.pause()
    endSecond?.()
    flow.send(Buffer.from(message('three')))
    await until(() => pbx.sockets[1]?.heard.text === message('three'))
    endSecond?.()
    expect(transport.counters()).toMatchObject({ cutSilent: 1, connected: 2 })
    // Of one that a request is no longer sent by, nothing is expected.
    await until(() => transport.connectionCount === 1)
    pbx.sockets[1]?.socket.write(message('four'))
    await until(() => received.length === 1)
    expect(closed.at(-1)).not.toBe(flow)
  })

  test('stands in for a connection of the trunk that has closed, and is the silent one then', async () => {
    const pbx = await trunk()
    const { transport, received } = await open({ peer: peerAt(pbx.port) })
    const { socket } = await dial(transport.local.port)
    socket.write(message('one'))
    await until(() => received.length === 1)
    socket.destroy()
    await until(() => transport.connectionCount === 0)
    const begun = received[0]?.flow
    begun?.send(Buffer.from(message('two')))
    const end = begun?.watchSilence?.()
    await until(() => pbx.sockets[0]?.heard.text === message('two'))
    end?.()
    await until(() => pbx.sockets[0]?.heard.isClosed === true)
    expect(transport.counters().cutSilent).toBe(1)
  })

  test('is closed for a while when nobody listens, and tells each message that it failed', async () => {
    const port = await freePort()
    const { transport, closed, troubles } = await open({
      limits: { minBackOffMs: 60_000, maxBackOffMs: 60_000 },
    })
    const flow = transport.flowTo(peerAt(port))
    flow.send(Buffer.from(message('one')))
    await until(() => closed.includes(flow))
    expect(troubles).toEqual(['trunk:pbx ECONNREFUSED'])
    expect(flow.isOpen).toBe(false)
    const before = closed.length
    flow.send(Buffer.from(message('two')))
    expect(closed).toHaveLength(before)
    await until(() => closed.length > before)
    expect(transport.counters()).toMatchObject({ connectFailed: 1, backedOff: 1 })
  })

  test('tries again at once for what is urgent, though the trunk has just refused', async () => {
    const pbx = await trunk()
    pbx.server.close()
    const { transport } = await open({ limits: { minBackOffMs: 60_000, maxBackOffMs: 60_000 } })
    const flow = new NamedFlow(transport.flowTo(peerAt(pbx.port)), 'pbx')
    flow.send(Buffer.from(message('one')))
    await until(() => !flow.isOpen)
    pbx.server.listen(pbx.port, '127.0.0.1')
    await once(pbx.server, 'listening')
    flow.insist()
    expect(flow.isOpen).toBe(true)
    flow.send(Buffer.from(message('two')))
    await until(() => pbx.sockets[0]?.heard.text === message('two'))
  })

  test('tries again after a while', async () => {
    const port = await freePort()
    const { transport, closed } = await open({ limits: { minBackOffMs: 20, maxBackOffMs: 20 } })
    const flow = transport.flowTo(peerAt(port))
    flow.send(Buffer.from(message('one')))
    await until(() => closed.includes(flow))
    await until(() => flow.isOpen)
    flow.send(Buffer.from(message('two')))
    await until(() => transport.counters().connectFailed === 2)
  })

  test('queues no more than a maximum until it is connected', async () => {
    const { transport, closed } = await open({ limits: { maxBufferedBytes: 1_000 } })
    const peer = { ...peerAt(9), remote: { address: '127.0.0.1', port: await freePort() } }
    const flow = transport.flowTo(peer)
    flow.send(Buffer.alloc(1_000))
    expect(transport.counters().cutSlowReader).toBe(0)
    flow.send(Buffer.alloc(1))
    expect(transport.counters().cutSlowReader).toBe(1)
    await until(() => closed.includes(flow))
  })

  test('is remembered up to a maximum', async () => {
    const { transport } = await open({ limits: { maxPeers: 2 } })
    const first = transport.flowTo(peerAt(1))
    const second = transport.flowTo(peerAt(2))
    transport.flowTo(peerAt(3))
    expect(transport.flowTo(peerAt(2))).toBe(second)
    expect(transport.flowTo(peerAt(1))).not.toBe(first)
  })
})

test('a closed transport lets the last words out, and frees its port', async () => {
  const { transport, received } = await open({ peer: peerAt(9) })
  const { socket, heard } = await dial(transport.local.port)
  socket.write(message('one'))
  await until(() => received.length === 1)
  received[0]?.flow.send(Buffer.from('last'))
  transport.close()
  transport.close()
  await until(() => heard.isClosed)
  expect(heard.text).toBe('last')
  expect(transport.flowTo(peerAt(9)).isOpen).toBe(false)
  await expect(dial(transport.local.port)).rejects.toThrow('ECONNREFUSED')
})

test('an address that is taken is an error at once', async () => {
  const { transport } = await open()
  const { StreamTransport } = await import('../../../sip/transport/stream.ts')
  const again = StreamTransport.open({
    address: transport.local,
    handler: { onMessage: () => {}, onClose: () => {}, onTrouble: () => {} },
    peersAt: () => [],
    strangerScope: 'stranger',
    token: () => '',
  })
  await expect(again).rejects.toThrow('EADDRINUSE')
})
