import { once } from 'node:events'
import { connect, createServer, type TlsOptions } from 'node:tls'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { native } from '../../../media/native/index.ts'
import type { PeerTls } from '../../../sip/transport/peer-flow.ts'
import { Authority, type Identity } from '../../harness/certificates.ts'
import { renegotiated } from '../../harness/renegotiated.ts'
import {
  closeAll,
  dial,
  listenTo,
  message,
  open,
  PLAIN_TLS,
  peerAt,
  trunk,
  until,
} from '../../harness/sip/stream-site.ts'

const authority = new Authority()
const stranger = new Authority()
const ours = authority.issue({ names: 'DNS:gateway.example, IP:127.0.0.1' })
const theirs = authority.issue({ names: 'DNS:pbx.example' })
const TRUSTING: PeerTls = { ...PLAIN_TLS, ca: authority.certificate }

afterEach(closeAll)
afterAll(() => {
  authority.close()
  stranger.close()
})

const tlsTrunk = ({ certificate, key }: Identity, options: TlsOptions = {}) =>
  trunk(() => createServer({ cert: certificate, key, ...options }), 'secureConnection')

/** A client of the transport, as a trunk would connect; resolves when the handshake is over or refused. */
async function dialTls(port: number, options: Parameters<typeof connect>[1] = {}) {
  const socket = connect(port, '127.0.0.1', { rejectUnauthorized: false, ...options })
  const heard = listenTo(socket)
  await Promise.race([once(socket, 'secureConnect'), once(socket, 'close')]).catch(() => {})
  return { socket, heard }
}

describe('towards a trunk', () => {
  test('the right certificate carries messages both ways', async () => {
    const pbx = await tlsTrunk(theirs)
    const { transport, received } = await open({ identity: ours })
    const flow = transport.flowTo(peerAt(pbx.port, TRUSTING))
    expect(flow.transport).toBe('tls')
    flow.send(Buffer.from(message('one')))
    await until(() => pbx.sockets[0]?.heard.text === message('one'))
    pbx.sockets[0]?.socket.write(message('two'))
    await until(() => received.length === 1)
    expect(received[0]?.flow).toMatchObject({ transport: 'tls', scope: 'trunk:pbx' })
  })

  const selfSigned = (): Identity => {
    const made = native.createCertificate({ commonName: 'pbx.example', days: 1, names: ['pbx.example'] })
    return { certificate: made.certificatePem, key: made.privateKeyPem }
  }

  test.each([
    [
      'an expired certificate',
      () => authority.issue({ names: 'DNS:pbx.example', days: -1 }),
      'CERT_HAS_EXPIRED',
    ],
    [
      'a certificate of another name',
      () => authority.issue({ names: 'DNS:sip.pbx.example', commonName: 'pbx.example' }),
      'sip.foreign-certificate: certificate is of another domain, expected pbx.example, seen sip.pbx.example',
    ],
    ['a self-signed certificate', selfSigned, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    [
      'a certificate of another authority',
      () => stranger.issue({ names: 'DNS:pbx.example' }),
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    ],
  ] as const)('%s is refused, and not a byte of ours is said', async (_what, make, reason) => {
    const pbx = await tlsTrunk(make())
    const { transport, closed, troubles } = await open({ identity: ours })
    const flow = transport.flowTo(peerAt(pbx.port, TRUSTING))
    flow.send(Buffer.from(message('secret')))
    await until(() => closed.includes(flow))
    expect(troubles).toEqual([`trunk:pbx ${reason}`])
    expect(flow.isOpen).toBe(false)
    await until(() => pbx.sockets.every(({ heard }) => heard.isClosed))
    expect(pbx.sockets.map(({ heard }) => heard.text).join('')).toBe('')
  })

  test('a self-signed certificate that is the trusted one is right', async () => {
    const identity = selfSigned()
    const pbx = await tlsTrunk(identity)
    const { transport } = await open({ identity: ours })
    transport
      .flowTo(peerAt(pbx.port, { ...PLAIN_TLS, ca: identity.certificate }))
      .send(Buffer.from(message('one')))
    await until(() => pbx.sockets[0]?.heard.text === message('one'))
  })

  test('the name is asked for, and ALPN is offered only when the trunk wants it', async () => {
    const asked: string[] = []
    const pbx = await tlsTrunk(theirs, {
      SNICallback: (name, done) => {
        asked.push(name)
        done(null)
      },
      ALPNCallback: ({ protocols }) => {
        asked.push(...protocols)
        return protocols[0]
      },
    })
    for (const alpn of [false, true]) {
      const { transport } = await open({ identity: ours })
      transport.flowTo(peerAt(pbx.port, { ...TRUSTING, alpn })).send(Buffer.from(message('one')))
      await until(() => pbx.sockets.length === (alpn ? 2 : 1))
      expect(asked.splice(0).sort()).toEqual(alpn ? ['pbx.example', 'sip'] : ['pbx.example'])
    }
  })

  test('a certificate of ours is shown to who wants one', async () => {
    const pbx = await tlsTrunk(theirs, {
      requestCert: true,
      rejectUnauthorized: true,
      ca: authority.certificate,
    })
    const { transport } = await open({ identity: ours })
    transport.flowTo(peerAt(pbx.port, { ...TRUSTING, identity: ours })).send(Buffer.from(message('one')))
    await until(() => pbx.sockets[0]?.heard.text === message('one'))
  })

  test('a trunk that accepts and does not speak TLS is given up', async () => {
    const pbx = await trunk()
    const { transport, closed, troubles } = await open({ identity: ours, limits: { connectMs: 200 } })
    const flow = transport.flowTo(peerAt(pbx.port, TRUSTING))
    flow.send(Buffer.from(message('secret')))
    await until(() => closed.includes(flow))
    expect(troubles).toEqual([expect.stringContaining('sip.connect-timeout')])
    expect(pbx.sockets[0]?.heard.text).not.toContain('secret')
  })

  test('TLS 1.1 is not enough', async () => {
    const pbx = await tlsTrunk(theirs, {
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'ALL:@SECLEVEL=0',
    })
    const { transport, closed, troubles } = await open({ identity: ours })
    const flow = transport.flowTo(peerAt(pbx.port, TRUSTING))
    flow.send(Buffer.from(message('one')))
    await until(() => closed.includes(flow))
    expect(troubles).toHaveLength(1)
    expect(pbx.sockets).toHaveLength(0)
  })
})

describe('from a trunk', () => {
  test('a connection is served, with our certificate', async () => {
    const { transport, received } = await open({ identity: ours, peer: peerAt(9, TRUSTING) })
    const { socket, heard } = await dialTls(transport.local.port, {
      rejectUnauthorized: true,
      ca: authority.certificate,
      ALPNProtocols: ['sip'],
    })
    socket.write(message('one'))
    await until(() => received.length === 1)
    received[0]?.flow.send(Buffer.from('answer'))
    await until(() => heard.text === 'answer')
  })

  test('a renewed certificate is shown from then on, and connections stay', async () => {
    const { transport } = await open({ identity: ours, peer: peerAt(9, TRUSTING) })
    const before = await dialTls(transport.local.port)
    const renewed = authority.issue({ names: 'DNS:renewed.example' })
    transport.useIdentity(renewed)
    const after = await dialTls(transport.local.port)
    expect(before.socket.getPeerCertificate().subjectaltname).toContain('gateway.example')
    expect(after.socket.getPeerCertificate().subjectaltname).toContain('renewed.example')
    before.socket.write('\r\n\r\n')
    await until(() => before.heard.text === '\r\n')
  })

  test('TLS 1.1 and what is no TLS are refused and counted', async () => {
    const { transport, troubles } = await open({ identity: ours, peer: peerAt(9, TRUSTING) })
    const old = await dialTls(transport.local.port, {
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1',
      ciphers: 'ALL:@SECLEVEL=0',
    })
    const plain = await dial(transport.local.port)
    plain.socket.write(message('one'))
    await until(() => old.heard.isClosed && plain.heard.isClosed)
    expect(transport.counters()).toMatchObject({ refusedTls: 2, accepted: 0 })
    expect(troubles).toHaveLength(2)
  })

  test('a handshake that does not end is cut, and gives its place back', async () => {
    const limits = { handshakeMs: 1_000, maxConnectionsPerAddress: 1 }
    const { transport } = await open({ identity: ours, peer: peerAt(9, TRUSTING), limits })
    const silent = await dial(transport.local.port)
    const second = await dial(transport.local.port)
    await until(() => second.heard.isClosed)
    expect(transport.counters()).toMatchObject({ refusedFull: 1 })
    await until(() => silent.heard.isClosed)
    const { socket } = await dialTls(transport.local.port)
    socket.write('\r\n\r\n')
    await until(() => transport.counters().keepAlive === 1)
  })

  test.each([
    ['a stranger', {}],
    ['a trunk', { peer: peerAt(9, TRUSTING) }],
  ])('of %s that shakes hands again and again is not served', async (_who, site) => {
    const { transport } = await open({ identity: ours, ...site })
    expect(await renegotiated(transport.local.port, 5)).toBe(0)
  })

  const REQUIRED: PeerTls = { ...TRUSTING, isCertificateRequired: true }
  const shown = ({ certificate, key }: Identity) => ({ cert: certificate, key })

  test('that must show a certificate is served with the right one', async () => {
    const { transport, received } = await open({ identity: ours, peer: peerAt(9, REQUIRED) })
    const { socket } = await dialTls(transport.local.port, shown(theirs))
    socket.write(message('one'))
    await until(() => received.length === 1)
  })

  // OpenSSL tells of a resumed session the certificate only: its authority was looked for in vain, and not a line said so.
  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'whose certificate is of an authority below the trusted one is served again with its session of %s',
    async (maxVersion) => {
      const { transport, received } = await open({ identity: ours, peer: peerAt(9, REQUIRED) })
      const options = { ...shown(authority.issue({ names: 'DNS:pbx.example', isBelow: true })), maxVersion }
      const sessions: Buffer[] = []
      const first = connect(transport.local.port, '127.0.0.1', { rejectUnauthorized: false, ...options })
      first.on('session', (session) => sessions.push(session))
      listenTo(first)
      await once(first, 'secureConnect')
      first.write(message('one'))
      await until(() => received.length === 1 && sessions.length > 0)
      const { socket, heard } = await dialTls(transport.local.port, { ...options, session: sessions.at(-1) })
      if (!heard.isClosed) socket.write(message('two'))
      await until(() => heard.isClosed || received.length === 2)
      expect(received).toHaveLength(2)
    },
  )

  test.each([
    ['none', () => ({}), 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE'],
    [
      'one of another name',
      () => shown(authority.issue({ names: 'DNS:other.example' })),
      'sip.foreign-certificate',
    ],
    ['an expired one', () => shown(authority.issue({ names: 'DNS:pbx.example', days: -1 })), ''],
    ['one of another authority', () => shown(stranger.issue({ names: 'DNS:pbx.example' })), ''],
  ] as const)('that must show a certificate and has %s is refused', async (_what, certificate, reason) => {
    const { transport, received, troubles } = await open({ identity: ours, peer: peerAt(9, REQUIRED) })
    const { socket, heard } = await dialTls(transport.local.port, certificate())
    if (!socket.destroyed) socket.write(message('one'))
    await until(() => heard.isClosed)
    await until(() => troubles.length === 1)
    expect(troubles[0]).toContain(reason)
    expect(received).toHaveLength(0)
    expect(transport.counters()).toMatchObject({ refusedTls: 1, accepted: 0 })
  })
})

test('a closed transport ends handshakes under way', async () => {
  const { transport } = await open({ identity: ours, peer: peerAt(9, TRUSTING) })
  const silent = await dial(transport.local.port)
  const { heard } = await dialTls(transport.local.port)
  transport.close()
  await until(() => heard.isClosed && silent.heard.isClosed)
})

describe('the lowest version of TLS', () => {
  test.each([
    ['TLSv1.2', 'TLSv1.2', true],
    ['TLSv1.3', 'TLSv1.2', false],
    ['TLSv1.3', 'TLSv1.3', true],
  ] as const)(
    'of %s, a trunk that knows up to %s is spoken to: %s',
    async (minVersion, maxVersion, isTaken) => {
      const pbx = await tlsTrunk(theirs, { maxVersion })
      const { transport, closed } = await open({ identity: ours })
      const flow = transport.flowTo(peerAt(pbx.port, { ...TRUSTING, minVersion }))
      flow.send(Buffer.from(message('one')))
      await until(() => closed.includes(flow) || pbx.sockets[0]?.heard.text === message('one'))
      expect(pbx.sockets.length === 1).toBe(isTaken)
    },
  )

  test.each([
    ['TLSv1.2', 'TLSv1.2', true],
    ['TLSv1.3', 'TLSv1.2', false],
    ['TLSv1.3', 'TLSv1.3', true],
  ] as const)(
    'of %s, a trunk that connects with at most %s is heard: %s',
    async (minVersion, maxVersion, isTaken) => {
      const peer = peerAt(9, { ...TRUSTING, minVersion })
      const { transport, received } = await open({ identity: ours, peer })
      const { socket, heard } = await dialTls(transport.local.port, { maxVersion })
      if (!heard.isClosed) socket.write(message('one'))
      await until(() => heard.isClosed || received.length === 1)
      expect(received.length === 1).toBe(isTaken)
    },
  )
})

describe('two trunks at one address', () => {
  const other = new Authority()
  afterAll(() => other.close())
  const asking = (name: string, ca: string): PeerTls => ({
    ...PLAIN_TLS,
    name,
    ca,
    isCertificateRequired: true,
  })
  const one = asking('one.example', authority.certificate)
  const two = asking('two.example', other.certificate)

  const heardAs = async (identity: Identity | undefined, ...peers: ReturnType<typeof peerAt>[]) => {
    const { transport, received, troubles } = await open({ identity: ours, peers })
    const shown = identity === undefined ? {} : { cert: identity.certificate, key: identity.key }
    const { socket, heard } = await dialTls(transport.local.port, shown)
    if (!heard.isClosed) socket.write(message('one'))
    await until(() => heard.isClosed || received.length === 1)
    const [first] = received
    if (first === undefined) return `refused: ${troubles.join()}`
    return first.flow.peer ?? 'unnamed'
  }

  test('are told apart by their certificates', async () => {
    const peers = [peerAt(9, one, 'one'), peerAt(10, two, 'two')]
    expect(await heardAs(authority.issue({ names: 'DNS:one.example' }), ...peers)).toBe('one')
    expect(await heardAs(other.issue({ names: 'DNS:two.example' }), ...peers)).toBe('two')
  })

  test('each believe their own authority only', async () => {
    const peers = [peerAt(9, one, 'one'), peerAt(10, two, 'two')]
    for (const [identity, reason] of [
      [authority.issue({ names: 'DNS:two.example' }), 'CERT_UNTRUSTED'],
      [other.issue({ names: 'DNS:one.example' }), 'CERT_UNTRUSTED'],
      [authority.issue({ names: 'DNS:three.example' }), 'sip.foreign-certificate'],
      [undefined, 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE'],
    ] as const) {
      expect(await heardAs(identity, ...peers)).toMatch(`refused: trunk:pbx ${reason}`)
    }
  })

  test('of which one needs none: who shows no certificate of the other is that one, unproven', async () => {
    const peers = [peerAt(9, one, 'one'), peerAt(10, PLAIN_TLS, 'open')]
    expect(await heardAs(authority.issue({ names: 'DNS:one.example' }), ...peers)).toBe('one')
    expect(await heardAs(undefined, ...peers)).toBe('unnamed')
    expect(await heardAs(other.issue({ names: 'DNS:one.example' }), ...peers)).toBe('unnamed')
  })
})
