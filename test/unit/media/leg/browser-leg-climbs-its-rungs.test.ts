import { beforeEach, describe, expect, test } from 'vitest'
import type { MediaStageEvent } from '../../../../media/engine.ts'
import type { MediaFailure } from '../../../../media/failure.ts'
import type { MediaPath } from '../../../../media/ice/ice-lite.ts'
import { formatStun, STUN_ATTRIBUTE } from '../../../../media/ice/stun.ts'
import { WebrtcLeg } from '../../../../media/leg/webrtc-leg.ts'
import type { LegHost } from '../../../../media/leg-host.ts'
import type { DtlsContext, DtlsSession, NativeKey, Relay } from '../../../../media/native/boundary.ts'
import type { WebrtcLocal, WebrtcRemote } from '../../../../media/parameters.ts'
import { VirtualMediaClock } from '../../../harness/virtual-media-clock.ts'

const PATH: MediaPath = { socket: 0, remote: { address: '192.0.2.9', port: 4000 } }
const OTHER_PATH: MediaPath = { socket: 1, remote: { address: '192.0.2.10', port: 5000 } }
const HANDSHAKE = Buffer.from([22, 0xfe, 0xfd])
const CLIENT_HELLO = Buffer.from([22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1])
const ALERT = Buffer.from([21, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 5, 0, 2, 1, 0])
const LOCAL: WebrtcLocal = {
  kind: 'webrtc',
  ice: { ufrag: 'localfrag', pwd: 'local-password-of-24-chars' },
  candidates: [],
  fingerprint: { hash: 'sha-256', value: 'AA' },
  ssrc: 1,
  cname: 'c',
}
const REMOTE: WebrtcRemote = {
  kind: 'webrtc',
  ice: { ufrag: 'peer', pwd: 'remote-password-of-24-char' },
  fingerprints: [{ hash: 'sha-256', value: 'PE:ER' }],
  setup: 'active',
}

/** A DTLS session that does what the test says. */
class ScriptedSession implements DtlsSession {
  readonly role: string
  state: DtlsSession['state'] = 'handshaking'
  failure: DtlsSession['failure']
  timeoutInMs: number | undefined
  outgoing: string[] = []
  fed = 0
  timeouts = 0
  hasStarted = false
  isClosed = false
  certificate: ReadonlyMap<string, string> = new Map([['sha-256', 'pe:er']])
  readonly handedOver: Buffer[] = []
  onFeed: () => void = () => undefined

  constructor(role: string) {
    this.role = role
  }

  start(): void {
    this.hasStarted = true
    this.outgoing.push('client hello')
  }

  feed(): void {
    this.fed++
    this.onFeed()
  }

  timeout(): void {
    this.timeouts++
    this.outgoing.push('again')
  }

  take(): Buffer[] {
    return this.outgoing.splice(0).map((text) => Buffer.from(text))
  }

  keys() {
    if (this.state !== 'connected') return undefined
    const keys = {
      suite: 'AEAD_AES_128_GCM' as const,
      receive: Buffer.alloc(28, 1),
      send: Buffer.alloc(28, 2),
    }
    this.handedOver.push(keys.receive, keys.send)
    return keys
  }

  peerFingerprint(hash: string): string | undefined {
    return this.certificate.get(hash)
  }

  close(): void {
    this.isClosed = true
    if (this.state === 'connected') this.outgoing.push('close_notify')
    this.state = 'closed'
  }
}

/** A leg with everything around it made up and recorded. */
class Bench {
  readonly clock = new VirtualMediaClock()
  readonly sessions: ScriptedSession[] = []
  readonly sent: { readonly path: MediaPath; readonly text: string }[] = []
  readonly admitted: { readonly path: MediaPath; readonly nominated: boolean }[] = []
  readonly keys: { readonly direction: string; readonly first: number }[] = []
  readonly ufrags: (readonly string[])[] = []
  readonly stages: MediaStageEvent[] = []
  readonly failures: MediaFailure[] = []
  readonly counts: string[] = []
  /** Run when a session is made. */
  onSession: (session: ScriptedSession) => void = () => undefined
  readonly leg: WebrtcLeg

  constructor(isPatient = false) {
    const relay: Pick<Relay, 'send' | 'admit' | 'setKeys' | 'setUfrags'> = {
      setUfrags: (_, ufrags) => this.ufrags.push(ufrags),
      send: (socket, remote, datagram) => {
        this.sent.push({ path: { socket, remote }, text: Buffer.from(datagram).toString('latin1') })
      },
      admit: (_, socket, remote, nominated) => this.admitted.push({ path: { socket, remote }, nominated }),
      setKeys: (_, direction, key) => {
        this.keys.push({ direction, first: (key as NativeKey).keySalt[0] ?? 0 })
      },
    }
    const dtls: DtlsContext = {
      fingerprint: 'AA',
      createSession: (role) => {
        const session = new ScriptedSession(role)
        this.sessions.push(session)
        this.onSession(session)
        return session
      },
    }
    const host: LegHost = {
      relay: relay as Relay,
      dtls,
      clock: this.clock,
      timeouts: { latchMs: 0, iceTimeoutMs: 10_000, dtlsTimeoutMs: 8000, consentTimeoutMs: 30_000 },
      stage: (event) => this.stages.push(event),
      fail: (failure) => this.failures.push(failure),
      count: (reason) => this.counts.push(reason),
      moved: () => undefined,
      note: () => undefined,
    }
    this.leg = new WebrtcLeg(7, LOCAL, host, isPatient)
  }

  check(
    options: {
      readonly nominate?: boolean
      readonly username?: string
      readonly password?: string
      readonly path?: MediaPath
    } = {},
  ): void {
    const bytes = formatStun({
      class: 'request',
      transactionId: Buffer.alloc(12, 3),
      attributes: [
        [STUN_ATTRIBUTE.username, Buffer.from(options.username ?? 'localfrag:peer')],
        ...(options.nominate ? [[STUN_ATTRIBUTE.useCandidate, Buffer.alloc(0)] as const] : []),
      ],
      password: options.password ?? LOCAL.ice.pwd,
    })
    this.leg.onStun(bytes, options.path ?? PATH)
  }

  /** Lets `session` finish with the next datagram. */
  connect(session: ScriptedSession | undefined, path = PATH): void {
    if (session !== undefined) {
      session.onFeed = () => {
        session.state = 'connected'
      }
    }
    this.leg.onDtls(HANDSHAKE, path)
  }

  get codes(): readonly string[] {
    return this.failures.map(({ code }) => code)
  }

  get rungs(): readonly string[] {
    return this.stages.map(({ kind }) => kind)
  }

  get dtlsSent(): readonly string[] {
    return this.sent.filter(({ text }) => !text.startsWith('\x01')).map(({ text }) => text)
  }
}

let bench: Bench
beforeEach(() => {
  bench = new Bench()
})

describe('the way up', () => {
  test('checks, handshake, fingerprint, keys', () => {
    bench.leg.setRemote(REMOTE)
    bench.check({ nominate: true })
    expect(bench.admitted).toEqual([{ path: PATH, nominated: true }])
    bench.leg.onDtls(HANDSHAKE, PATH)
    expect(bench.sessions.map(({ role }) => role)).toEqual(['server'])
    expect(bench.keys).toEqual([])
    bench.connect(bench.sessions[0])
    expect(bench.keys).toEqual([
      { direction: 'receive', first: 1 },
      { direction: 'send', first: 2 },
    ])
    expect(bench.rungs).toEqual(['ice-checked', 'dtls-started', 'dtls-connected', 'keys-ready'])
    expect(bench.leg.suite).toBe('AEAD_AES_128_GCM')
    expect(bench.failures).toEqual([])
  })

  test('every copy of the keys is wiped once the relay has them', () => {
    bench.leg.setRemote(REMOTE)
    bench.check()
    bench.leg.onDtls(HANDSHAKE, PATH)
    bench.connect(bench.sessions[0])
    expect(bench.sessions[0]?.handedOver.length).toBeGreaterThan(0)
    for (const key of bench.sessions[0]?.handedOver ?? []) expect(key).toEqual(Buffer.alloc(28))
  })

  test('a handshake before the description is kept, its keys wait', () => {
    bench.check({ nominate: true })
    bench.leg.onDtls(HANDSHAKE, PATH)
    bench.connect(bench.sessions[0])
    expect(bench.rungs).toEqual(['ice-checked', 'dtls-started', 'dtls-connected'])
    expect(bench.keys).toEqual([])
    bench.clock.advance(25_000)
    bench.leg.setRemote(REMOTE)
    expect(bench.keys).toHaveLength(2)
    expect(bench.rungs.at(-1)).toBe('keys-ready')
    bench.leg.setRemote(REMOTE)
    expect(bench.keys, 'the same description again changes nothing').toHaveLength(2)
  })

  test('we are the client when the peer is passive, from the first nomination', () => {
    bench.leg.setRemote({ ...REMOTE, setup: 'passive' })
    bench.check()
    expect(bench.sessions).toEqual([])
    bench.check({ nominate: true, path: OTHER_PATH })
    expect(bench.sessions.map(({ role, hasStarted }) => [role, hasStarted])).toEqual([['client', true]])
    expect(bench.sent.at(-1)).toEqual({ path: OTHER_PATH, text: 'client hello' })
    bench.check({ nominate: true })
    expect(bench.sessions).toHaveLength(1)
  })

  test('a nomination before the description starts the client with the description', () => {
    bench.check({ nominate: true })
    expect(bench.sessions).toEqual([])
    bench.leg.setRemote({ ...REMOTE, setup: 'passive' })
    expect(bench.sessions.map(({ role }) => role)).toEqual(['client'])
  })

  test('an early ClientHello does not keep us from being the client', () => {
    bench.check({ nominate: true })
    bench.leg.onDtls(HANDSHAKE, PATH)
    bench.leg.setRemote({ ...REMOTE, setup: 'passive' })
    expect(bench.sessions.map(({ role, isClosed }) => [role, isClosed])).toEqual([
      ['server', true],
      ['client', false],
    ])
  })

  test('answers go where the newest datagram came from', () => {
    bench.onSession = (session) => {
      session.onFeed = () => session.outgoing.push('flight')
    }
    bench.check()
    bench.leg.onDtls(HANDSHAKE, PATH)
    bench.leg.onDtls(HANDSHAKE, OTHER_PATH)
    expect(bench.sent.slice(-2).map(({ path }) => path)).toEqual([PATH, OTHER_PATH])
  })

  test('only a handshake record makes a session', () => {
    bench.check()
    for (const first of [0, 20, 21, 23, 63]) bench.leg.onDtls(Buffer.from([first, 1, 2]), PATH)
    expect(bench.sessions).toEqual([])
    expect(bench.counts).toEqual(Array.from({ length: 5 }, () => 'dtls.unexpected'))
  })
})

describe('the fingerprint', () => {
  function connected(fingerprints: WebrtcRemote['fingerprints'], certificate: Record<string, string>): void {
    bench.onSession = (session) => {
      session.certificate = new Map(Object.entries(certificate))
    }
    bench.leg.setRemote({ ...REMOTE, fingerprints })
    bench.check()
    bench.leg.onDtls(HANDSHAKE, PATH)
    bench.connect(bench.sessions[0])
  }

  test('of another certificate ends the leg, with both, without keys', () => {
    connected([{ hash: 'sha-256', value: 'EX:PE' }], { 'sha-256': 'SE:EN' })
    expect(bench.codes).toEqual(['dtls.fingerprint-mismatch'])
    expect(bench.failures[0]).toMatchObject({ expected: 'sha-256 EX:PE', seen: 'sha-256 SE:EN' })
    expect(bench.keys).toEqual([])
    expect(bench.clock.pending).toBe(0)
  })

  test('of the strongest hash decides', () => {
    const weak = { hash: 'sha-256', value: 'AA' }
    connected([weak, { hash: 'sha-512', value: 'CC' }], { 'sha-256': 'AA', 'sha-512': 'BB' })
    expect(bench.codes).toEqual(['dtls.fingerprint-mismatch'])
  })

  test('one of several of the same hash is enough, in any case', () => {
    connected(
      [
        { hash: 'SHA-256', value: 'aa' },
        { hash: 'sha-256', value: 'bb' },
      ],
      { 'sha-256': 'BB' },
    )
    expect(bench.codes).toEqual([])
    expect(bench.keys).toHaveLength(2)
  })

  test('of a hash that we cannot compute fits nothing', () => {
    connected([{ hash: 'md5', value: 'AA' }], { 'sha-256': 'AA' })
    expect(bench.codes).toEqual(['dtls.fingerprint-mismatch'])
  })

  test('is looked at again by the first description after the handshake', () => {
    bench.check()
    bench.leg.onDtls(HANDSHAKE, PATH)
    bench.connect(bench.sessions[0])
    bench.leg.setRemote({ ...REMOTE, fingerprints: [{ hash: 'sha-256', value: 'BB' }] })
    expect(bench.codes).toEqual(['dtls.fingerprint-mismatch'])
    expect(bench.keys).toEqual([])
  })
})

describe('a later description', () => {
  const OTHER_ICE = { ufrag: 'peer2', pwd: 'another-remote-password-24' }
  const OTHER: WebrtcRemote = { ...REMOTE, fingerprints: [{ hash: 'sha-256', value: 'OT:HER' }] }

  function connected(): void {
    bench.leg.setRemote(REMOTE)
    bench.check({ nominate: true })
    bench.leg.onDtls(HANDSHAKE, PATH)
    bench.connect(bench.sessions[0])
  }

  /** The certificate of the next session. */
  function expectCertificate(value: string): void {
    bench.onSession = (session) => {
      session.certificate = new Map([['sha-256', value]])
    }
  }

  test('that is the same, or flips the role, changes nothing', () => {
    connected()
    const before = bench.leg.local
    bench.leg.setRemote({ ...REMOTE, ice: { ...REMOTE.ice } })
    bench.leg.setRemote({ ...REMOTE, setup: 'passive' })
    bench.leg.setRemote({ ...REMOTE, setup: 'actpass' })
    expect(bench.leg.local).toBe(before)
    expect(bench.ufrags).toEqual([])
    expect(bench.sessions).toHaveLength(1)
    expect(bench.keys).toHaveLength(2)
  })

  test('that restarts ICE gives new credentials, and DTLS and keys stay', () => {
    connected()
    const before = bench.leg.local.tlsId
    bench.leg.setRemote({ ...REMOTE, ice: OTHER_ICE })
    const { ice, tlsId, ...rest } = bench.leg.local
    expect({ ...rest, ice: LOCAL.ice }).toEqual(LOCAL)
    expect(tlsId).toBe(before)
    expect(bench.ufrags).toEqual([[ice.ufrag, LOCAL.ice.ufrag]])
    expect([bench.sessions.length, bench.sessions[0]?.isClosed, bench.keys.length]).toEqual([1, false, 2])
    bench.check()
    expect(bench.admitted).toHaveLength(2)
    bench.leg.setRemote({ ...REMOTE, ice: OTHER_ICE })
    expect(bench.leg.local.ice, 'once').toBe(ice)
    expect(bench.failures).toEqual([])
  })

  test('with another certificate: a new association, the old keys until it has its own', () => {
    connected()
    expectCertificate('OT:HER')
    bench.leg.setRemote(OTHER)
    expect([bench.sessions[0]?.isClosed, bench.dtlsSent, bench.codes]).toEqual([true, [], []])
    expect([bench.keys.length, bench.leg.suite]).toEqual([2, 'AEAD_AES_128_GCM'])
    bench.leg.onDtls(HANDSHAKE, OTHER_PATH)
    expect(bench.keys).toHaveLength(2)
    bench.connect(bench.sessions[1], OTHER_PATH)
    expect(bench.sessions.map(({ role }) => role)).toEqual(['server', 'server'])
    expect(bench.keys).toHaveLength(4)
    bench.leg.setRemote(OTHER)
    expect(bench.sessions).toHaveLength(2)
    expect(bench.codes).toEqual([])
  })

  test('with another certificate of a passive peer: we are the client at once', () => {
    connected()
    expectCertificate('OT:HER')
    bench.leg.setRemote({ ...OTHER, setup: 'passive' })
    expect(bench.sessions.map(({ role, hasStarted }) => [role, hasStarted])).toEqual([
      ['server', false],
      ['client', true],
    ])
    bench.connect(bench.sessions[1])
    expect(bench.keys).toHaveLength(4)
  })

  test('with another certificate and an ICE restart: we are the client where the new peer nominates', () => {
    connected()
    bench.leg.setRemote({ ...OTHER, setup: 'passive', ice: OTHER_ICE })
    bench.check({ nominate: true })
    bench.clock.advance(9000)
    expect([bench.sessions.length, bench.codes]).toEqual([1, []])
    const { ufrag, pwd } = bench.leg.local.ice
    bench.check({ nominate: true, username: `${ufrag}:peer2`, password: pwd, path: OTHER_PATH })
    expect(bench.sent.at(-1)).toEqual({ path: OTHER_PATH, text: 'client hello' })
    bench.clock.advance(8000)
    expect(bench.codes).toEqual(['dtls.flight-unanswered'])
  })

  test('with another certificate, and none or a third one in the handshake', () => {
    connected()
    bench.leg.setRemote(OTHER)
    bench.clock.advance(7999)
    expect(bench.codes).toEqual([])
    bench.clock.advance(1)
    expect(bench.codes).toEqual(['dtls.no-client-hello'])
    bench = new Bench()
    connected()
    expectCertificate('TH:IRD')
    bench.leg.setRemote(OTHER)
    bench.leg.onDtls(HANDSHAKE, PATH)
    bench.connect(bench.sessions[1])
    expect(bench.codes).toEqual(['dtls.fingerprint-mismatch'])
    expect(bench.keys).toHaveLength(2)
  })

  test('with another tls-id: a new association, although the certificate is the same (RFC 8842 §4)', () => {
    const [first, second] = ['a'.repeat(20), 'b'.repeat(20)]
    bench.leg.setRemote({ ...REMOTE, tlsId: first })
    const own = bench.leg.local.tlsId
    bench.check()
    bench.leg.onDtls(HANDSHAKE, PATH)
    bench.connect(bench.sessions[0])
    bench.leg.setRemote({ ...REMOTE, tlsId: first })
    bench.leg.setRemote(REMOTE)
    expect([bench.sessions[0]?.isClosed, bench.leg.local.tlsId]).toEqual([false, own])
    bench.leg.setRemote({ ...REMOTE, tlsId: second })
    expect(bench.sessions[0]?.isClosed).toBe(true)
    expect(bench.leg.local.tlsId).not.toBe(own)
    bench.leg.onDtls(HANDSHAKE, PATH)
    bench.connect(bench.sessions[1])
    expect([bench.keys.length, bench.codes]).toEqual([4, []])
  })

  test('that goes back to the first certificate before the handshake: all as before', () => {
    connected()
    bench.leg.setRemote(OTHER)
    bench.leg.onDtls(HANDSHAKE, PATH)
    bench.leg.setRemote(REMOTE)
    expect(bench.sessions[1]?.isClosed).toBe(true)
    bench.clock.advance(20_000)
    bench.leg.onDtls(HANDSHAKE, PATH)
    expect([bench.sessions.length, bench.keys.length, bench.codes]).toEqual([2, 2, []])
  })
})

describe('what can go wrong', () => {
  test('no check', () => {
    bench.leg.setRemote(REMOTE)
    bench.clock.advance(9999)
    expect(bench.codes).toEqual([])
    bench.clock.advance(1)
    expect(bench.codes).toEqual(['ice.no-check-seen'])
  })

  test('checks with a wrong password', () => {
    bench.leg.setRemote(REMOTE)
    bench.check({ password: 'wrong' })
    bench.clock.advance(10_000)
    expect(bench.codes).toEqual(['ice.bad-integrity'])
    expect(bench.counts).toEqual(['stun.bad-integrity'])
    expect(bench.admitted).toEqual([])
  })

  test('no ClientHello', () => {
    bench.leg.setRemote(REMOTE)
    bench.clock.advance(5000)
    bench.check({ nominate: true })
    bench.clock.advance(7999)
    expect(bench.codes).toEqual([])
    bench.clock.advance(1)
    expect(bench.codes).toEqual(['dtls.no-client-hello'])
  })

  test('the handshake waits for the description as long as it takes', () => {
    bench.check({ nominate: true })
    bench.clock.advance(20_000)
    expect(bench.codes).toEqual([])
    bench.leg.setRemote(REMOTE)
    bench.clock.advance(8000)
    expect(bench.codes).toEqual(['dtls.no-client-hello'])
  })

  test('a handshake that does not finish, in both roles', () => {
    bench.leg.setRemote(REMOTE)
    bench.check()
    bench.leg.onDtls(HANDSHAKE, PATH)
    bench.clock.advance(8000)
    expect(bench.codes).toEqual(['dtls.handshake-timeout'])
    bench = new Bench()
    bench.leg.setRemote({ ...REMOTE, setup: 'passive' })
    bench.check({ nominate: true })
    bench.clock.advance(8000)
    expect(bench.failures[0]).toMatchObject({ code: 'dtls.flight-unanswered', seen: 'no answer' })
  })

  test('a peer that repeats its ClientHello has not got our flight', () => {
    bench.leg.setRemote(REMOTE)
    bench.check()
    for (let i = 0; i < 3; i += 1) bench.leg.onDtls(CLIENT_HELLO, PATH)
    bench.clock.advance(8000)
    expect(bench.failures[0]).toMatchObject({
      code: 'dtls.flight-unanswered',
      seen: 'ClientHello again and again',
    })
  })

  test.each(['active', 'passive'] as const)('checks that nominate nothing, of a peer that is %s', (setup) => {
    bench.leg.setRemote({ ...REMOTE, setup })
    bench.check()
    bench.clock.advance(8000)
    expect(bench.codes).toEqual(['ice.no-nomination'])
  })

  describe('before the answer is final, a peer may leave all of it for later', () => {
    beforeEach(() => {
      bench = new Bench(true)
      bench.leg.setRemote(REMOTE)
    })

    test('its first check', () => {
      bench.clock.advance(60_000)
      expect(bench.codes).toEqual([])
      bench.leg.expectMedia()
      bench.clock.advance(5000)
      // The limits of silence have changed.
      bench.leg.expectMedia()
      bench.clock.advance(4999)
      expect(bench.codes).toEqual([])
      bench.clock.advance(1)
      expect(bench.codes).toEqual(['ice.no-check-seen'])
    })

    test('its handshake', () => {
      bench.check({ nominate: true })
      bench.clock.advance(20_000)
      bench.leg.expectMedia()
      bench.clock.advance(7999)
      expect(bench.codes).toEqual([])
      bench.clock.advance(1)
      expect(bench.codes).toEqual(['dtls.no-client-hello'])
    })

    test('not its consent: it was there', () => {
      bench.check({ nominate: true })
      bench.clock.advance(30_000)
      expect(bench.codes).toEqual(['ice.consent-lost'])
    })
  })

  test('checks for the credentials of another description', () => {
    bench.leg.setRemote(REMOTE)
    bench.check({ username: `${LOCAL.ice.ufrag}:stale` })
    bench.clock.advance(10_000)
    expect(bench.failures[0]).toMatchObject({ code: 'ice.stale-ufrag', expected: 'USERNAME localfrag:peer' })
  })

  test('a fatal alert, with its number', () => {
    bench.leg.setRemote(REMOTE)
    bench.check()
    bench.onSession = (session) => {
      session.onFeed = () => {
        session.state = 'failed'
        session.failure = { reason: 'tlsv1 alert', alert: 40 }
      }
    }
    bench.leg.onDtls(HANDSHAKE, PATH)
    expect(bench.failures[0]).toMatchObject({ code: 'dtls.alert', seen: '40 handshake_failure' })
  })

  test('a handshake that we refuse sends its alert and says why', () => {
    bench.leg.setRemote(REMOTE)
    bench.check()
    bench.onSession = (session) => {
      session.onFeed = () => {
        session.state = 'failed'
        session.failure = { reason: 'bad signature', alert: undefined }
        session.outgoing.push('alert')
      }
    }
    bench.leg.onDtls(HANDSHAKE, PATH)
    expect(bench.failures[0]).toMatchObject({ code: 'dtls.handshake-failed', seen: 'bad signature' })
    expect(bench.dtlsSent).toEqual(['alert'])
  })

  test('consent lost: once, with a goodbye, and no timer left', () => {
    bench.leg.setRemote(REMOTE)
    bench.check()
    bench.leg.onDtls(HANDSHAKE, PATH)
    bench.connect(bench.sessions[0])
    bench.clock.advance(29_999)
    bench.check()
    bench.clock.advance(29_999)
    expect(bench.codes).toEqual([])
    bench.clock.advance(1)
    expect(bench.codes).toEqual(['ice.consent-lost'])
    expect(bench.dtlsSent).toEqual(['close_notify'])
    bench.check()
    bench.clock.advance(100_000)
    expect(bench.codes).toHaveLength(1)
    expect(bench.clock.pending).toBe(0)
  })

  test('an unexpected error ends this leg only', () => {
    bench.leg.setRemote(REMOTE)
    bench.check()
    bench.onSession = (session) => {
      session.onFeed = () => {
        throw new TypeError('our own mistake')
      }
    }
    expect(() => bench.leg.onDtls(HANDSHAKE, PATH)).not.toThrow()
    expect(bench.codes).toEqual(['media.internal'])
    expect(bench.failures[0]?.cause).toBeInstanceOf(TypeError)
  })
})

describe('time and the end', () => {
  test('retransmissions run by the session, to the last path', () => {
    bench.check()
    bench.onSession = (session) => {
      session.timeoutInMs = 1000
    }
    bench.leg.onDtls(HANDSHAKE, OTHER_PATH)
    bench.clock.advance(999)
    expect(bench.dtlsSent).toEqual([])
    bench.clock.advance(1)
    expect(bench.sent.at(-1)).toEqual({ path: OTHER_PATH, text: 'again' })
    bench.clock.advance(2000)
    expect(bench.sessions[0]?.timeouts).toBe(3)
  })

  test('a ClientHello of ours that nobody answers goes again by the path nominated last, until the peer is heard', () => {
    bench.onSession = (session) => {
      session.timeoutInMs = 1000
    }
    bench.leg.setRemote({ ...REMOTE, setup: 'passive' })
    bench.check({ nominate: true })
    bench.check({ nominate: true, path: OTHER_PATH })
    bench.clock.advance(1000)
    expect(bench.sent.at(-1)).toEqual({ path: OTHER_PATH, text: 'again' })
    bench.leg.onDtls(HANDSHAKE, OTHER_PATH)
    bench.check({ nominate: true })
    bench.clock.advance(1000)
    expect(bench.sent.at(-1)).toEqual({ path: OTHER_PATH, text: 'again' })
  })

  test('a session whose time is 0 does not make a busy loop', () => {
    bench.check()
    bench.onSession = (session) => {
      session.timeoutInMs = 0
    }
    bench.leg.onDtls(HANDSHAKE, PATH)
    bench.clock.advance(10)
    expect(bench.sessions[0]?.timeouts).toBe(10)
  })

  test('the session is dropped 60 s after the keys, in silence; a late ClientHello or alert is counted and no more', () => {
    bench.leg.setRemote(REMOTE)
    bench.check()
    bench.leg.onDtls(HANDSHAKE, PATH)
    bench.connect(bench.sessions[0])
    for (let second = 0; second < 59; second++) {
      bench.clock.advance(1000)
      bench.check()
    }
    expect(bench.leg.dtlsSessions).toBe(1)
    bench.clock.advance(1000)
    expect(bench.leg.dtlsSessions).toBe(0)
    expect(bench.sessions[0]?.isClosed).toBe(true)
    expect(bench.dtlsSent).toEqual([])
    expect(bench.keys, 'the keys stay').toHaveLength(2)
    for (const late of [CLIENT_HELLO, ALERT, CLIENT_HELLO]) bench.leg.onDtls(late, PATH)
    expect(bench.sessions, 'no second association').toHaveLength(1)
    expect(bench.sessions[0]?.fed, 'nothing reaches the old one').toBe(2)
    expect(bench.counts).toEqual(['dtls.unexpected', 'dtls.unexpected', 'dtls.unexpected'])
    expect([bench.dtlsSent, bench.failures, bench.codes]).toEqual([[], [], []])
    bench.clock.advance(20_000)
    expect([bench.leg.dtlsSessions, bench.failures], 'no handshake is waited for').toEqual([0, []])
  })

  test('a close_notify after the handshake is counted, not a failure', () => {
    bench.leg.setRemote(REMOTE)
    bench.check()
    bench.leg.onDtls(HANDSHAKE, PATH)
    bench.connect(bench.sessions[0])
    const [session] = bench.sessions
    if (session === undefined) throw new Error('no session')
    session.onFeed = () => {
      session.state = 'closed'
    }
    bench.leg.onDtls(Buffer.from([21]), PATH)
    expect(bench.counts).toEqual(['dtls.close-notify'])
    expect(bench.failures).toEqual([])
  })

  test('close says goodbye, leaves no timer, and may be called twice', () => {
    bench.leg.setRemote(REMOTE)
    bench.check()
    bench.leg.onDtls(HANDSHAKE, PATH)
    bench.connect(bench.sessions[0])
    bench.leg.close()
    bench.leg.close()
    expect(bench.dtlsSent).toEqual(['close_notify'])
    expect(bench.clock.pending).toBe(0)
    bench.check()
    bench.leg.onDtls(HANDSHAKE, PATH)
    expect(bench.failures).toEqual([])
  })
})
