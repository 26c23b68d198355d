/**
 * The gateway side of `npm run bench`: the media engine as the daemon has it, in a process of its own, and around it what a
 * call of the daemon does while media flows (it looks at the figures every 5 s). Its arguments say whether trunk calls share ports, and
 * how long packets may wait for each other; its parent's messages tell what to do.
 */
import { nextRoundMs } from '../../media/deadline-timer.ts'
import type { MediaObserver, MediaSession } from '../../media/engine.ts'
import { KeyBytes } from '../../media/key-bytes.ts'
import { createNativeEngine } from '../../media/native-engine.ts'
import type { TransportAddress } from '../../media/parameters.ts'
import type { GatewayReply, GatewayRequest } from './media/gateway-messages.ts'
import {
  type FarEnds,
  type FarKeys,
  type NearEnds,
  RTP_PORTS,
  SUITE,
  type TrunkPorts,
} from './media/system.ts'

const HOST = '127.0.0.1'
const MAX_CALLS = 8_000
/** As `gateway/ladder/media-watch.ts`. */
const LOOK_MS = 5_000
const SILENCE_LIMIT_S = 60
/** As `gateway/calls/leg-route.ts`, of two descriptions with key presses and `a=ptime:20`. */
const ROUTE = {
  kind: 'bridge',
  map: [{ from: 0, to: 0, clockRateHz: 8000, isOneOctetATick: true }],
  keys: {
    from: [{ payloadType: 101, clockRateHz: 8000 }],
    to: { payloadType: 101, clockRateHz: 8000 },
  },
  packetMs: 20,
} as const

const ports: TrunkPorts = process.argv[2] === 'shared' ? 'shared' : 'per-call'
const engine = createNativeEngine(
  {
    addresses: [HOST],
    announced: [],
    webrtcPort: 0,
    rtpPortMin: RTP_PORTS.min,
    rtpPortMax: RTP_PORTS.max,
    portRestMs: 0,
    latchMs: 1_000,
    iceTimeoutMs: 15_000,
    dtlsTimeoutMs: 15_000,
    consentTimeoutMs: 30_000,
    gatherUs: Number(process.argv[3]),
    maxSessions: MAX_CALLS,
    dscp: 46,
  },
  { report: (error) => console.error(error) },
)
const observer: MediaObserver = {
  onStage: () => undefined,
  onFailure: (leg, failure) => console.error(`leg ${leg}`, failure),
  onKeyPress: () => undefined,
}
const sessions: MediaSession[] = []

async function openCall({ plain, secure, keys }: FarEnds): Promise<NearEnds> {
  const session = await engine.openSession(`bench-${sessions.length}`, observer)
  sessions.push(session)
  const callee = await session.addLeg('callee', { kind: 'rtp', localAddress: HOST, suites: [], ports })
  if (callee.kind !== 'rtp') throw new Error('not a trunk leg')
  await session.setRemote('callee', { kind: 'rtp', rtp: plain, rtcp: undefined, crypto: undefined })
  const caller =
    keys.kind === 'sdes' ? await openSdes(session, secure, keys) : await openBrowser(session, keys)
  await session.setRoute('callee', { ...ROUTE, to: 'caller' })
  await session.setRoute('caller', { ...ROUTE, to: 'callee' })
  for (const leg of ['callee', 'caller']) await session.watch(leg, SILENCE_LIMIT_S)
  // From a time of its own on, as calls begin in life.
  lookAt(session, performance.now() + Math.random() * LOOK_MS)
  return { plain: callee.rtp, ...caller }
}

/** As `MediaWatch`. */
function lookAt(session: MediaSession, atMs: number): void {
  setTimeout(
    () => {
      void session.stats()
      lookAt(session, performance.now() + LOOK_MS)
    },
    Math.ceil(nextRoundMs(atMs) - performance.now()),
  )
}

type Secure = Pick<NearEnds, 'secure' | 'keys'>

async function openSdes(
  session: MediaSession,
  secure: TransportAddress,
  { key }: FarKeys & { readonly kind: 'sdes' },
): Promise<Secure> {
  const local = await session.addLeg('caller', { kind: 'rtp', localAddress: HOST, suites: [SUITE], ports })
  if (local.kind !== 'rtp') throw new Error('not a trunk leg')
  const [own] = local.crypto
  if (own === undefined) throw new Error('no key on the encrypted side')
  const crypto = { tag: own.tag, suite: SUITE, keySalt: new KeyBytes(Buffer.from(key, 'hex')) }
  await session.setRemote('caller', { kind: 'rtp', rtp: secure, rtcp: undefined, crypto }, own)
  return {
    secure: local.rtp,
    keys: { kind: 'sdes', key: Buffer.from(own.keySalt.reveal()).toString('hex') },
  }
}

async function openBrowser(
  session: MediaSession,
  { ice, fingerprint }: FarKeys & { readonly kind: 'dtls' },
): Promise<Secure> {
  const local = await session.addLeg('caller', { kind: 'webrtc' })
  if (local.kind !== 'webrtc') throw new Error('not a browser leg')
  const fingerprints = [{ hash: 'sha-256', value: fingerprint }]
  await session.setRemote('caller', { kind: 'webrtc', ice, fingerprints, setup: 'active' })
  const [candidate] = local.candidates
  if (candidate === undefined) throw new Error('no candidate')
  return {
    secure: { address: candidate.address, port: candidate.port },
    keys: { kind: 'dtls', fingerprint: local.fingerprint.value, ice: local.ice },
  }
}

/** Those of the relay, and those of all legs together. */
async function drops(): Promise<Record<string, number>> {
  const sum: Record<string, number> = { ...engine.counters() }
  for (const session of sessions) {
    const { legs } = await session.stats()
    for (const leg of Object.values(legs)) {
      for (const [reason, count] of Object.entries(leg?.drops ?? {})) sum[reason] = (sum[reason] ?? 0) + count
    }
  }
  return Object.fromEntries(Object.entries(sum).filter(([, count]) => count > 0))
}

async function answer(request: GatewayRequest): Promise<GatewayReply> {
  if (request.kind === 'drops') return { kind: 'drops', drops: await drops() }
  if (request.kind === 'collect') {
    await gc?.({ type: 'major', execution: 'async' })
    return { kind: 'collected' }
  }
  const calls: NearEnds[] = []
  for (const call of request.calls) calls.push(await openCall(call))
  return { kind: 'opened', calls }
}

const reply = (message: GatewayReply): void => void process.send?.(message)

process.on('message', (request: GatewayRequest) => {
  answer(request).then(reply, (error: unknown) =>
    reply({
      kind: 'failed',
      reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
    }),
  )
})
process.on('disconnect', () => process.exit(0))
reply({ kind: 'ready' })
