import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { LegStats, MediaEngine, MediaSession } from '../../../media/engine.ts'
import type { LocalTransport } from '../../../media/parameters.ts'
import { formatRtcp, parseRtcp, type ReportBlock, type RtcpPacket } from '../../../media/rtcp/rtcp.ts'
import {
  addRtp,
  connect,
  MediaLog,
  openBrowser,
  openEngine,
  openTrunk,
  PCMU,
  PLAIN,
  SDES,
} from '../../harness/media-bench.ts'
import { type ScriptedTrunk, sdesKey } from '../../harness/scripted-trunk.ts'
import { repeatUntil, until } from '../../harness/until.ts'
import { VirtualMediaClock } from '../../harness/virtual-media-clock.ts'

/** Either kind of peer. */
interface Peer {
  readonly ssrc: number
  readonly rtcp: readonly Buffer[]
  readonly received: readonly unknown[]
  sendRtp(payloadType: number, payload: Buffer): void
  sendRtcp(compound: Buffer): void
  loseRtp(count: number): void
}

/** Each interval of reports, and the first, has its mean. */
const FIRST_MS = 1500
const INTERVAL_MS = 5000

interface Bench {
  readonly clock: VirtualMediaClock
  readonly engine: MediaEngine
  readonly session: MediaSession
  readonly log: MediaLog
}

async function openBench(): Promise<Bench> {
  const clock = new VirtualMediaClock()
  const engine = openEngine({}, { clock, random: () => 0.5 })
  const log = new MediaLog()
  return { clock, engine, log, session: await engine.openSession('call', log) }
}

/** A leg whose peer hears itself. */
async function echo({ session }: Bench, leg: string): Promise<void> {
  await session.setRoute(leg, { kind: 'echo', map: [PCMU] })
}

const KINDS = {
  'a browser': async (bench: Bench) => {
    const browser = await openBrowser()
    return { peer: browser, local: await connect(bench.session, browser, bench.log, 'leg') }
  },
  'a plain trunk with RTCP on a port of its own': (bench: Bench) => trunkPeer(bench, true, false),
  'a plain trunk with RTCP muxed': (bench: Bench) => trunkPeer(bench, false, false),
  'a trunk with SDES': (bench: Bench) => trunkPeer(bench, true, true),
} as const satisfies Record<string, (bench: Bench) => Promise<{ peer: Peer; local: LocalTransport }>>

async function trunkPeer(
  { session }: Bench,
  hasRtcpPort: boolean,
  isEncrypted: boolean,
): Promise<{ peer: ScriptedTrunk; local: LocalTransport }> {
  const trunk = await openTrunk({ hasRtcpPort })
  const local = await addRtp(session, isEncrypted ? SDES : PLAIN, 'leg')
  const [ours] = local.crypto
  const theirs = ours && sdesKey(1, ours.suite, randomBytes(30))
  await session.setRemote('leg', trunk.remote(theirs), ours)
  trunk.connect(local, ours && theirs && { sends: theirs, receives: ours })
  return { peer: trunk, local }
}

/** Packet by packet, so that none is lost but those that are to be. The relay counts just after it has sent. */
async function talk(session: MediaSession, peer: Peer, packets: number): Promise<void> {
  for (let count = 0; count < packets; count++) {
    const before = peer.received.length
    peer.sendRtp(0, randomBytes(160))
    await until(() => peer.received.length > before)
  }
  const sent = async () => (await stats(session)).packetsSent
  await expect.poll(sent, { interval: 2 }).toBe(peer.received.length)
}

async function stats(session: MediaSession): Promise<LegStats> {
  const { leg } = (await session.stats()).legs
  if (leg === undefined) throw new Error('no leg')
  return leg
}

async function nextCompound(peer: Peer, act: () => void): Promise<readonly RtcpPacket[]> {
  const before = peer.rtcp.length
  act()
  await until(() => peer.rtcp.length > before)
  const packets = parseRtcp(peer.rtcp[before] ?? Buffer.alloc(0))
  if (packets === undefined) throw new Error('not RTCP')
  return packets
}

function senderReport(packets: readonly RtcpPacket[]): Extract<RtcpPacket, { kind: 'sender-report' }> {
  const [first] = packets
  if (first?.kind !== 'sender-report') throw new Error(`a ${first?.kind}`)
  return first
}

function block(ssrc: number, fields: Partial<ReportBlock>): ReportBlock {
  const nothing = { fractionLost: 0, cumulativeLost: 0, highestSequence: 0, jitter: 0 }
  return { ...nothing, ssrc, lastReport: 0, delaySinceLastReport: 0, ...fields }
}

const NTP_SECONDS = 0x1234_5678
const THEIR_REPORT = {
  kind: 'sender-report',
  ntpSeconds: NTP_SECONDS,
  ntpFraction: 0x8000_0000,
  rtpTimestamp: 0,
  packets: 0,
  octets: 0,
  blocks: [],
} as const

describe.each(Object.entries(KINDS))('%s', (_, open) => {
  test('is told what it lost, what it is sent, and goodbye', async () => {
    const bench = await openBench()
    const { peer, local } = await open(bench)
    await echo(bench, 'leg')
    await talk(bench.session, peer, 10)
    peer.loseRtp(5)
    await talk(bench.session, peer, 5)
    peer.sendRtcp(formatRtcp([{ ...THEIR_REPORT, ssrc: peer.ssrc }]))
    await until(() => bench.engine.counters()['rtcp.sender-report'] === 1)

    const packets = await nextCompound(peer, () => bench.clock.advance(FIRST_MS))
    const report = senderReport(packets)
    expect(report).toMatchObject({ ssrc: local.ssrc, packets: 15, octets: 15 * 160 })
    expect(report.blocks).toMatchObject([
      { ssrc: peer.ssrc, fractionLost: 64, cumulativeLost: 5, lastReport: 0x5678_8000 },
    ])
    expect(report.blocks[0]?.delaySinceLastReport).toBeGreaterThan(0)
    expect(packets[1]).toEqual({
      kind: 'source-description',
      chunks: [{ ssrc: local.ssrc, cname: local.cname }],
    })

    // Nothing more is lost; and in the end nothing more is sent.
    await talk(bench.session, peer, 1)
    const next = senderReport(await nextCompound(peer, () => bench.clock.advance(INTERVAL_MS)))
    expect(next.blocks).toMatchObject([{ fractionLost: 0, cumulativeLost: 5 }])
    expect(next.packets).toBe(16)
    expect(next.ntpSeconds - report.ntpSeconds).toBe(INTERVAL_MS / 1000)

    const last = await nextCompound(peer, () => void bench.session.removeLeg('leg'))
    expect(last.at(-1)).toEqual({ kind: 'bye', ssrcs: [local.ssrc] })
    expect(bench.clock.pending).toBe(0)
  })

  test('what it says of us, and what it lost, is in the figures', async () => {
    const bench = await openBench()
    const { peer, local } = await open(bench)
    await echo(bench, 'leg')
    expect(await stats(bench.session)).toMatchObject({
      lossRatio: undefined,
      rttMs: undefined,
      mos: undefined,
    })
    await talk(bench.session, peer, 15)
    peer.loseRtp(5)
    await talk(bench.session, peer, 5)
    const report = senderReport(await nextCompound(peer, () => bench.clock.advance(FIRST_MS)))

    bench.clock.advance(200)
    const lastReport = (((report.ntpSeconds & 0xffff) << 16) | (report.ntpFraction >>> 16)) >>> 0
    const first = (peer.received[0] as { readonly sequence: number }).sequence
    const said = block(local.ssrc, {
      cumulativeLost: 5,
      highestSequence: first + 24,
      jitter: 80,
      lastReport,
      delaySinceLastReport: 65_536 * 0.125,
    })
    peer.sendRtcp(formatRtcp([{ kind: 'receiver-report', ssrc: peer.ssrc, blocks: [said] }]))
    await until(() => bench.engine.counters()['rtcp.receiver-report'] === 1)

    const figures = await stats(bench.session)
    expect(figures).toMatchObject({
      lossRatio: 0.2,
      rttMs: 75,
      remoteLossRatio: 0.2,
      remoteJitterMs: 10,
      drops: {},
    })
    expect(figures.jitterMs).toBeGreaterThan(0)
    expect(figures.mos).toBeGreaterThan(1)
    expect(figures.mos).toBeLessThan(3)
  })
})

describe('nothing is sent', () => {
  test('to a trunk on hold at 0.0.0.0, and it goes on afterwards', async () => {
    const bench = await openBench()
    const { peer } = await trunkPeer(bench, true, false)
    const remote = peer.remote()
    await bench.session.setRemote('leg', { ...remote, rtp: { ...remote.rtp, address: '0.0.0.0' } })
    bench.clock.advance(FIRST_MS + 10 * INTERVAL_MS)
    await bench.session.setRemote('leg', remote)
    const packets = await nextCompound(peer, () => bench.clock.advance(INTERVAL_MS))
    expect(packets.map(({ kind }) => kind)).toEqual(['receiver-report', 'source-description'])
    expect(peer.rtcp).toHaveLength(1)
    expect((await stats(bench.session)).drops).toEqual({})
  })

  test('before there are keys, nor a BYE of a leg that was never heard of', async () => {
    const bench = await openBench()
    const trunk = await openTrunk()
    const local = await addRtp(bench.session, PLAIN, 'leg')
    trunk.connect(local)
    expect(bench.clock.pending).toBe(0)
    bench.clock.advance(INTERVAL_MS)
    await bench.session.setRemote('leg', trunk.remote())
    await bench.session.removeLeg('leg')
    const other = await trunkPeer(bench, false, false)
    await nextCompound(other.peer, () => bench.clock.advance(FIRST_MS))
    expect(trunk.raw).toEqual([])
  })

  test('to a browser that no longer consents, and its last figures are kept', async () => {
    const bench = await openBench()
    const { peer } = await KINDS['a browser'](bench)
    await echo(bench, 'leg')
    await talk(bench.session, peer, 3)
    bench.clock.advance(29_000)
    await until(() => peer.rtcp.length > 0)
    const before = peer.rtcp.length
    bench.clock.advance(2_000)
    await until(() => bench.log.failures.length > 0)
    expect(bench.log.failures[0]?.failure.code).toMatch(/^ice\./)
    expect(await stats(bench.session)).toMatchObject({ packetsReceived: 3, lossRatio: 0 })
    expect(peer.rtcp.slice(before).flatMap((bytes) => parseRtcp(bytes) ?? [])).not.toContainEqual(
      expect.objectContaining({ kind: 'bye' }),
    )
  })
})

test('what a peer asks of an encoder ends here, counted; what cannot be read changes nothing', async () => {
  const bench = await openBench()
  const { peer } = await KINDS['a browser'](bench)
  const pli = Buffer.from('81ce00020000000100000002', 'hex')
  const nack = Buffer.from('81cd0003000000010000000200050000', 'hex')
  const fir = Buffer.from('84ce0004000000010000000000000002 01000000'.replaceAll(' ', ''), 'hex')
  const remb = Buffer.from('8fce0005000000010000000052454d420103a98000000002', 'hex')
  const transport = Buffer.from('8fcd00050000000100000002000000010000000000002001', 'hex')
  const kinds = ['pli', 'nack', 'fir', 'remb', 'transport-cc', 'malformed']
  const short = Buffer.from('81c9000100000001', 'hex')
  const counted = (reason: string) => bench.engine.counters()[reason] ?? 0
  await repeatUntil(
    () => {
      peer.sendRtcp(Buffer.concat([pli, nack, fir, remb, transport]))
      peer.sendRtcp(short)
    },
    () => kinds.every((kind) => counted(`rtcp.${kind}`) > 0),
  )
  expect(counted('rtcp.receiver-report')).toBe(0)
  expect(counted('media.internal')).toBe(0)
  expect((await stats(bench.session)).drops).toEqual({})
})
