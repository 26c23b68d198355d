import type { LegStats } from '../../media/engine.ts'
import { type MediaCode, MediaFailure } from '../../media/failure.ts'
import type { Place } from '../diagnosis.ts'
import type { LegReport } from './call-report.ts'

/** One leg of a conversation, as it is now. */
export interface JudgedLeg {
  readonly name: string
  readonly kind: LegReport['kind']
  readonly stats: LegStats
  /** What its handshakes wait for, and for how long it has had to wait since the answer; undefined: for nothing. */
  readonly pending?: { readonly failure: MediaFailure; readonly forMs: number } | undefined
  /** How long it has been able to receive: answered, described and with keys; undefined: it is not yet. */
  readonly readyForMs: number | undefined
  /** What the peer's description said at first and says now, as its attribute: `sendrecv`. */
  readonly firstDirection: string
  /** Whether the peer is to send, by what both sides want. */
  readonly isToSend: boolean
  /** Whether the peer is to be sent to. */
  readonly isToReceive: boolean
  /** As `LegActivity` has it: since when a peer that was heard is not. */
  readonly goneForMs: number | undefined
  /** RTCP of its party has reported on what we send, in this call or another. */
  readonly isReporting: boolean
  readonly codec: string | undefined
  /** What our description asks the peer for. */
  readonly ptimeMs: number | undefined
}

export interface JudgedMedia {
  /** The one or two that talk. */
  readonly legs: readonly JudgedLeg[]
  /** How long nothing must have come until that is something wrong. */
  readonly patienceMs: number
  /** Nobody has been told other terms since the last look; else what was dropped since then says nothing. */
  readonly isSettled: boolean
}

export interface MediaFinding extends Place {
  readonly failure: MediaFailure
}

/** Drops that a leg shall not have many of, and what a share of them means. */
const SHARES: readonly { readonly drop: string; readonly code: MediaCode; readonly expected: string }[] = [
  { drop: 'srtp.unexpected-mki', code: 'srtp.mki-not-described', expected: 'no MKI, as described' },
  { drop: 'srtp.wrong-mki', code: 'srtp.wrong-mki', expected: 'the MKI of the description' },
  { drop: 'srtp.auth-failed', code: 'srtp.auth-failed', expected: 'packets made with the agreed key' },
  { drop: 'srtp.replay', code: 'srtp.replay', expected: 'sequence numbers that go up' },
  { drop: 'media.wrong-source', code: 'media.wrong-source', expected: 'packets from one source' },
  { drop: 'media.shed', code: 'media.shed', expected: 'a media thread that carries all that comes' },
]

/** Handshakes over a path that loses packets take some seconds: they have so many times the patience. */
const HANDSHAKE_PATIENCE = 2
/** So many drops of a kind are no accident. */
const MIN_DROPS = 25
/** Of what came in since the last look, at least this is lost to them. */
const MIN_SHARE = 0.2
/** 20 seconds of 20 ms frames, one of 64 looked into. */
const MIN_SAMPLES = 15
const MAX_CLOCK_ERROR = 0.1
/** Packets from which on a mean says something. */
const MIN_PACKETS = 250
const MIN_MOS = 2.6
const MAX_PEER_LOSS = 0.5
/** A hold that ends, a network that changes and reports that are late are over by then. */
const MAX_GONE_MS = 30_000
/** Packets and reports from which on it says something that the reports are of no stream. */
const MIN_UNREPORTED = 500
const MIN_EMPTY_REPORTS = 3
/** Octets of payload for a millisecond: 64 kbit/s. */
const OCTETS_PER_MS: Readonly<Record<string, number>> = { pcmu: 8, pcma: 8, g722: 8 }
const MAX_PTIME_ERROR = 0.34

/**
 * What is wrong with the media of two legs, by what the relay counted since `before`: figures of seconds, never packets. One
 * cause a leg and direction, the one furthest down, because it explains the others. Pure.
 */
export function judgeMedia(now: JudgedMedia, before: ReadonlyMap<string, LegStats>): readonly MediaFinding[] {
  return now.legs.flatMap((leg): readonly MediaFinding[] => {
    const { pending, name } = leg
    // Nothing above can be judged yet.
    if (pending !== undefined)
      return pending.forMs < HANDSHAKE_PATIENCE * now.patienceMs
        ? []
        : [{ failure: pending.failure, leg: name }]
    const other = now.legs.find(({ name }) => name !== leg.name)
    const received = fromPeer(leg, before.get(leg.name), now)
    const sent = toPeer(leg, other, before, now.isSettled)
    return [
      ...(received === undefined
        ? []
        : [{ failure: received, leg: leg.name, direction: 'received' as const }]),
      ...(sent === undefined ? [] : [{ failure: sent, leg: leg.name, direction: 'sent' as const }]),
    ]
  })
}

function fromPeer(
  leg: JudgedLeg,
  before: LegStats | undefined,
  { patienceMs, isSettled }: JudgedMedia,
): MediaFailure | undefined {
  const { readyForMs, stats } = leg
  if (readyForMs === undefined) return undefined
  const isPatient = readyForMs < patienceMs
  if (!leg.isToSend) return isPatient ? undefined : forbidden(leg)
  const dropped = isSettled ? dropShare(stats, before) : undefined
  if (dropped !== undefined) return dropped
  if (stats.packetsReceived === 0) return isPatient ? undefined : nothing(leg)
  const wrong = isSettled ? (gone(leg) ?? wrongPayloadType(stats, before)) : undefined
  return wrong ?? silence(leg) ?? wrongClock(stats) ?? wrongPtime(leg, before, isSettled) ?? poor(stats)
}

/** A description that forbade it from the first on: a hold later is what somebody wanted. */
function forbidden({ firstDirection }: JudgedLeg): MediaFailure | undefined {
  if (firstDirection === 'sendrecv' || firstDirection === 'sendonly') return undefined
  return new MediaFailure('media.direction-forbids', { expected: 'a=sendrecv', seen: `a=${firstDirection}` })
}

/** What kept most of what came since `before` from being taken; undefined: nothing that is known. Pure. */
export function dropShare(stats: LegStats, before: LegStats | undefined): MediaFailure | undefined {
  const received = stats.packetsReceived - (before?.packetsReceived ?? 0)
  const newDrops = (reason: string): number => (stats.drops[reason] ?? 0) - (before?.drops[reason] ?? 0)
  for (const { drop, code, expected } of SHARES) {
    const drops = newDrops(drop)
    if (drops < MIN_DROPS || drops < MIN_SHARE * (drops + received)) continue
    // Good ones before: the key is right, and it is the rollover counter or a new key that nobody told of.
    const isLater = code === 'srtp.auth-failed' && (before?.packetsReceived ?? 0) > 0
    const seen = `${drops} of ${drops + received} packets: ${drop}`
    return new MediaFailure(isLater ? 'srtp.auth-lost' : code, { expected, seen })
  }
  const ofTooMany = newDrops('srtp.too-many-ssrcs')
  return ofTooMany === 0
    ? undefined
    : new MediaFailure('srtp.too-many-ssrcs', { seen: `${ofTooMany} packets` })
}

function nothing({ kind, stats }: JudgedLeg): MediaFailure {
  const drops = Object.entries(stats.drops).map(([reason, count]) => `${count} ${reason}`)
  return new MediaFailure(kind === 'webrtc' ? 'media.none-from-browser' : 'media.none-from-trunk', {
    expected: 'RTP',
    seen: drops.length === 0 ? 'no packet' : `no packet but drops: ${drops.join(', ')}`,
  })
}

function gone({ goneForMs = 0, stats }: JudgedLeg): MediaFailure | undefined {
  if (goneForMs < MAX_GONE_MS) return undefined
  const seen = `none for ${Math.round(goneForMs / 1_000)} s, ${stats.packetsReceived} before`
  return new MediaFailure('media.stopped', { expected: 'RTP', seen })
}

function wrongPayloadType(stats: LegStats, before: LegStats | undefined): MediaFailure | undefined {
  const reason = 'rtp.unmapped-payload-type'
  const drops = (stats.drops[reason] ?? 0) - (before?.drops[reason] ?? 0)
  const received = stats.packetsReceived - (before?.packetsReceived ?? 0)
  if (drops < MIN_DROPS || drops < received / 2) return undefined
  const seen = `${drops} of ${received} packets with another`
  return new MediaFailure('media.wrong-payload-type', { expected: 'the payload types agreed on', seen })
}

function silence({ stats, codec }: JudgedLeg): MediaFailure | undefined {
  if (codec === undefined || !(codec.toLowerCase() in OCTETS_PER_MS)) return undefined
  const { payloadSamples, flatSamples } = stats
  if (payloadSamples < MIN_SAMPLES || flatSamples < payloadSamples) return undefined
  return new MediaFailure('media.digital-silence', {
    expected: 'sound',
    seen: `the same byte in ${flatSamples} samples`,
  })
}

function wrongClock({ clockRatio }: LegStats): MediaFailure | undefined {
  if (clockRatio === undefined || Math.abs(clockRatio - 1) <= MAX_CLOCK_ERROR) return undefined
  return new MediaFailure('media.wrong-clock', {
    expected: 'RTP timestamps that go with the clock rate',
    seen: `${clockRatio} times as fast`,
  })
}

/** Of packets that came by the terms of now: a call may have begun with another codec. */
function wrongPtime(
  { stats, codec, ptimeMs }: JudgedLeg,
  before: LegStats | undefined,
  isSettled: boolean,
): MediaFailure | undefined {
  const octetsPerMs = codec === undefined ? undefined : OCTETS_PER_MS[codec.toLowerCase()]
  const packets = stats.packetsReceived - (before?.packetsReceived ?? 0)
  const octets = stats.octetsReceived - (before?.octetsReceived ?? 0)
  if (octetsPerMs === undefined || ptimeMs === undefined || packets < MIN_PACKETS || !isSettled)
    return undefined
  const seenMs = Math.round(octets / packets / octetsPerMs)
  if (Math.abs(seenMs - ptimeMs) <= MAX_PTIME_ERROR * ptimeMs) return undefined
  return new MediaFailure('media.wrong-ptime', { expected: `${ptimeMs} ms a packet`, seen: `${seenMs} ms` })
}

function poor({ packetsReceived, mos, lossRatio = 0, jitterMs = 0 }: LegStats): MediaFailure | undefined {
  if (mos === undefined || packetsReceived < MIN_PACKETS || mos >= MIN_MOS) return undefined
  const seen = `MOS ${mos.toFixed(1)}: loss ${(lossRatio * 100).toFixed(1)} %, jitter ${Math.round(jitterMs)} ms`
  return new MediaFailure('media.poor', { expected: `MOS ${MIN_MOS} or more`, seen })
}

function toPeer(
  leg: JudgedLeg,
  other: JudgedLeg | undefined,
  before: ReadonlyMap<string, LegStats>,
  isSettled: boolean,
): MediaFailure | undefined {
  const { stats } = leg
  if (leg.readyForMs === undefined || !leg.isToReceive) return undefined
  const sent = stats.packetsSent - (before.get(leg.name)?.packetsSent ?? 0)
  if (other !== undefined && sent === 0) return isSettled ? notForwarded(leg, other, before) : undefined
  if (isSettled && isUnreported(leg)) {
    const seen = `its last ${stats.emptyReports} RTCP reports are of no stream`
    return new MediaFailure('media.lost-towards-peer', { expected: 'a report of what we send', seen })
  }
  if (stats.packetsSent < MIN_PACKETS || (stats.remoteLossRatio ?? 0) < MAX_PEER_LOSS) return undefined
  const seen = `${Math.round((stats.remoteLossRatio ?? 0) * 100)} % lost, says its RTCP`
  return new MediaFailure('media.lost-towards-peer', { expected: 'what we send', seen })
}

/** A browser is on the path that its handshake came by: there is no direction of its own to lose. */
const isUnreported = ({ kind, isReporting, stats }: JudgedLeg): boolean =>
  kind !== 'webrtc' &&
  isReporting &&
  stats.packetsSent >= MIN_UNREPORTED &&
  stats.emptyReports >= MIN_EMPTY_REPORTS

function notForwarded(
  leg: JudgedLeg,
  other: JudgedLeg,
  before: ReadonlyMap<string, LegStats>,
): MediaFailure | undefined {
  const came = other.stats.packetsReceived - (before.get(other.name)?.packetsReceived ?? 0)
  // Payload types that nobody wants are a finding of the leg they came from.
  const unmapped =
    (other.stats.drops['rtp.unmapped-payload-type'] ?? 0) -
    (before.get(other.name)?.drops['rtp.unmapped-payload-type'] ?? 0)
  if (came - unmapped < MIN_DROPS * 2) return undefined
  const reasons = [...Object.entries(leg.stats.drops), ...Object.entries(other.stats.drops)]
  const [reason] = reasons.sort(([, one], [, another]) => another - one)
  return new MediaFailure('media.not-forwarded', {
    expected: 'what the other leg receives',
    seen: `${came} packets there, none sent here${reason === undefined ? '' : `: ${reason[1]} ${reason[0]}`}`,
  })
}
