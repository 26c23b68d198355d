import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:dgram'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { LegParameters, MediaEngine, MediaObserver, MediaSession } from '../../media/engine.ts'
import type { MediaFailure } from '../../media/failure.ts'
import { formatStun, STUN_ATTRIBUTE } from '../../media/ice/stun.ts'
import type { DtlsContext, DtlsSession } from '../../media/native/boundary.ts'
import type { RtpLocal, RtpRemote, WebrtcLocal } from '../../media/parameters.ts'
import { makeDtlsContext } from './dtls-wire.ts'
import { PCMU, PLAIN, SDES } from './media-bench.ts'
import { sdesKey } from './scripted-trunk.ts'
import { openUdpSocket } from './udp-socket.ts'
import { repeatUntil } from './until.ts'

/** Calls under way at a time. */
const SLOTS = 32
/** A handshake costs as much as several calls. */
const CALLS_A_HANDSHAKE = 40
const SHARED = { ...PLAIN, ports: 'shared' } as const
const BOTH_WAYS = ['caller', 'callee'] as const
const SUITE = 'AES_CM_128_HMAC_SHA1_80'
const ICE = { ufrag: 'peer', pwd: 'remote-password-of-24-char' }

/** What a process holds, bytes. */
export interface Footprint {
  /** Objects, and what they hold outside of the heap. */
  readonly javascript: number
  readonly resident: number
}

/** After all garbage is gone. */
export async function footprint(): Promise<Footprint> {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  // Finalizers of native objects run in later turns.
  for (let turn = 0; turn < 4; turn++) {
    collect()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  return { javascript: heapUsed + external, resident: rss }
}

/** An end of calls, one after the other: a socket that tells what came last. */
class Peer {
  readonly #socket: Socket
  last: Buffer = Buffer.alloc(0)
  onDatagram: (datagram: Buffer) => void = () => undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('message', (datagram) => {
      this.last = datagram
      this.onDatagram(datagram)
    })
  }

  static async open(address: string): Promise<Peer> {
    return new Peer(await openUdpSocket(address))
  }

  get remote(): RtpRemote {
    const { address, port } = this.#socket.address()
    return { kind: 'rtp', rtp: { address, port }, rtcp: undefined, crypto: undefined }
  }

  send(datagram: Buffer, port: number): void {
    this.#socket.send(datagram, port, '127.0.0.1')
  }

  /** Sends until something that fits has come to `to`. */
  async sendUntil(
    datagram: () => Buffer,
    port: number,
    to: Peer,
    fits: (datagram: Buffer) => boolean,
  ): Promise<void> {
    to.last = Buffer.alloc(0)
    await repeatUntil(
      () => this.send(datagram(), port),
      () => fits(to.last),
    )
  }

  forget(): void {
    this.onDatagram = () => undefined
  }

  close(): void {
    this.#socket.close()
  }
}

const isRtp = (datagram: Buffer): boolean => (datagram[0] ?? 0) >> 6 === 2
const isStunSuccess = (datagram: Buffer): boolean => datagram[0] === 1 && datagram[1] === 1

/** Remembers no call: what is measured is what others remember. */
class Watcher implements MediaObserver {
  isKeyed = false
  failure: MediaFailure | undefined

  onStage(_: string, { kind }: { readonly kind: string }): void {
    if (kind === 'keys-ready') this.isKeyed = true
  }

  onFailure(_: string, failure: MediaFailure): void {
    this.failure = failure
  }

  onKeyPress(): void {}
}

/**
 * Makes and ends calls of all kinds, many at a time, each with media that arrives: browsers with and without a handshake, trunks with
 * ports of their own, shared ones and SDES, legs that go over to another call, and calls that are refused.
 */
export class CallChurn {
  readonly counts = { browser: 0, handshake: 0, trunks: 0, shared: 0, sdes: 0, adopted: 0, refused: 0 }
  /** Of legs that asked for shared ports. */
  readonly sharedPorts = new Set<number>()
  readonly #engine: MediaEngine
  readonly #dtls: DtlsContext = makeDtlsContext()
  readonly #peers: readonly (readonly [Peer, Peer, Peer])[]
  #made = 0
  #sequence = 0

  /** Of so many sessions at a time. */
  static readonly maxSessions = 2 * SLOTS

  /** `engine` is on 127.0.0.1. */
  static async open(engine: MediaEngine): Promise<CallChurn> {
    // A source without an admitted path has a limit, so that each slot is on an address of its own.
    const peers = Array.from({ length: SLOTS }, async (_, slot) => {
      const open = (): Promise<Peer> => Peer.open(`127.0.1.${slot + 1}`)
      return [await open(), await open(), await open()] as const
    })
    return new CallChurn(engine, await Promise.all(peers))
  }

  private constructor(engine: MediaEngine, peers: readonly (readonly [Peer, Peer, Peer])[]) {
    this.#engine = engine
    this.#peers = peers
  }

  /** Until `total` calls were made since the beginning, and all have ended. */
  async runTo(total: number): Promise<void> {
    await Promise.all(
      this.#peers.map(async (peers) => {
        while (this.#made < total) await this.#call(this.#made++, peers)
      }),
    )
  }

  close(): void {
    for (const peer of this.#peers.flat()) peer.close()
  }

  async #call(at: number, [one, other, third]: readonly [Peer, Peer, Peer]): Promise<void> {
    switch (at % 8) {
      case 0:
      case 1:
      case 2:
        return this.#browserCall(one, other, at % CALLS_A_HANDSHAKE === 0)
      case 3:
        return this.#trunkCall(one, other, PLAIN, 'trunks')
      case 4:
        return this.#trunkCall(one, other, SHARED, 'shared')
      case 5:
        return this.#trunkCall(one, other, SDES, 'sdes')
      case 6:
        return this.#adoptedCall(one, other, third)
      default:
        return this.#refusedCall(one)
    }
  }

  #rtp = (): Buffer => {
    const packet = Buffer.alloc(172, 0xd5)
    this.#sequence = (this.#sequence + 1) % 0x10000
    packet.writeUInt16BE(0x8000, 0)
    packet.writeUInt16BE(this.#sequence, 2)
    packet.writeUInt32BE(this.#sequence * 160, 4)
    packet.writeUInt32BE(7, 8)
    return packet
  }

  async #browserCall(browser: Peer, trunk: Peer, hasHandshake: boolean): Promise<void> {
    this.counts[hasHandshake ? 'handshake' : 'browser']++
    const watcher = new Watcher()
    const session = await this.#engine.openSession('browser', watcher)
    const local = await session.addLeg('caller', { kind: 'webrtc' })
    if (local.kind !== 'webrtc') throw new Error('not a browser leg')
    const fingerprint = { hash: 'sha-256', value: this.#dtls.fingerprint }
    await session.setRemote('caller', {
      kind: 'webrtc',
      ice: ICE,
      fingerprints: [fingerprint],
      setup: 'active',
    })
    const port = local.candidates[0]?.port ?? 0
    await browser.sendUntil(() => checkFor(local), port, browser, isStunSuccess)
    const callee = await openTrunk(session, 'callee', trunk, PLAIN)
    await bridge(session, 'caller', 'callee')
    if (hasHandshake) {
      const client = await this.#shakeHands(browser, port, watcher)
      await trunk.sendUntil(this.#rtp, callee.rtp.port, browser, isRtp)
      await session.close()
      client.close()
    } else {
      trunk.send(this.#rtp(), callee.rtp.port)
      await session.close()
    }
    browser.forget()
  }

  async #shakeHands(browser: Peer, port: number, watcher: Watcher): Promise<DtlsSession> {
    const client = this.#dtls.createSession('client')
    const flush = (): void => {
      for (const datagram of client.take()) browser.send(datagram, port)
    }
    browser.onDatagram = (datagram) => {
      const first = datagram[0] ?? 0
      if (first < 20 || first > 63) return
      client.feed(datagram)
      flush()
    }
    client.start()
    flush()
    await repeatUntil(
      () => {
        client.timeout()
        flush()
      },
      () => watcher.isKeyed,
      1000,
    )
    return client
  }

  async #trunkCall(
    one: Peer,
    other: Peer,
    callee: LegParameters & { readonly kind: 'rtp' },
    kind: 'trunks' | 'shared' | 'sdes',
  ): Promise<void> {
    this.counts[kind]++
    const session = await this.#engine.openSession(kind, new Watcher())
    const caller = await openTrunk(session, 'caller', one, PLAIN)
    const { rtp } = await openTrunk(session, 'callee', other, callee)
    if (kind === 'shared') this.sharedPorts.add(rtp.port)
    await bridge(session, ...BOTH_WAYS)
    await one.sendUntil(this.#rtp, caller.rtp.port, other, isRtp)
    await session.close()
  }

  /** An attended transfer: the callee's leg goes over to another caller. */
  async #adoptedCall(one: Peer, other: Peer, third: Peer): Promise<void> {
    this.counts.adopted++
    const first = await this.#engine.openSession('first', new Watcher())
    const second = await this.#engine.openSession('second', new Watcher())
    const caller = await openTrunk(first, 'caller', one, PLAIN)
    await openTrunk(first, 'callee', other, PLAIN)
    await bridge(first, ...BOTH_WAYS)
    await one.sendUntil(this.#rtp, caller.rtp.port, other, isRtp)
    const transferee = await openTrunk(second, 'caller', third, PLAIN)
    await second.adopt(first, 'callee', 'callee')
    await bridge(second, ...BOTH_WAYS)
    await first.close()
    await third.sendUntil(this.#rtp, transferee.rtp.port, other, isRtp)
    await second.close()
  }

  /** One by its address, one by its description, one by a leg too many. */
  async #refusedCall(peer: Peer): Promise<void> {
    this.counts.refused++
    const session = await this.#engine.openSession('refused', new Watcher())
    await expectRefused(() => session.addLeg('elsewhere', { ...PLAIN, localAddress: '192.0.2.254' }))
    await session.addLeg('encrypted', SDES)
    await expectRefused(() => session.setRemote('encrypted', peer.remote))
    for (const name of ['second', 'third', 'fourth']) await session.addLeg(name, PLAIN)
    await expectRefused(() => session.addLeg('fifth', PLAIN))
    await session.close()
  }
}

async function expectRefused(action: () => Promise<unknown>): Promise<void> {
  const isRefused = await action().then(
    () => false,
    () => true,
  )
  if (!isRefused) throw new Error('was not refused')
}

async function openTrunk(
  session: MediaSession,
  name: string,
  peer: Peer,
  parameters: LegParameters & { readonly kind: 'rtp' },
): Promise<RtpLocal> {
  const local = await session.addLeg(name, parameters)
  if (local.kind !== 'rtp') throw new Error('not a trunk leg')
  const crypto = parameters.suites.length === 0 ? undefined : sdesKey(1, SUITE, randomBytes(30))
  await session.setRemote(name, { ...peer.remote, crypto }, local.crypto[0])
  return local
}

async function bridge(session: MediaSession, one: string, other: string): Promise<void> {
  await session.setRoute(one, { kind: 'bridge', to: other, map: [PCMU] })
  await session.setRoute(other, { kind: 'bridge', to: one, map: [PCMU] })
}

function checkFor({ ice }: WebrtcLocal): Buffer {
  return formatStun({
    class: 'request',
    transactionId: randomBytes(12),
    attributes: [
      [STUN_ATTRIBUTE.username, Buffer.from(`${ice.ufrag}:${ICE.ufrag}`)],
      [STUN_ATTRIBUTE.priority, Buffer.from([0x6e, 0, 1, 0xff])],
      [STUN_ATTRIBUTE.iceControlling, randomBytes(8)],
      [STUN_ATTRIBUTE.useCandidate, Buffer.alloc(0)],
    ],
    password: ice.pwd,
  })
}
