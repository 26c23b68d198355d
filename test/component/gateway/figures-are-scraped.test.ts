import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { Log } from '../../../config/logging.ts'
import { Secret } from '../../../config/secret.ts'
import { verdictOf } from '../../../gateway/diagnosis.ts'
import { CallTrace } from '../../../gateway/ladder/call-trace.ts'
import { Metrics } from '../../../gateway/ladder/metrics.ts'
import { type MetricsServer, openMetrics } from '../../../gateway/ladder/metrics-server.ts'
import type { LegStats } from '../../../media/engine.ts'
import { MediaFailure } from '../../../media/failure.ts'
import { nextServed } from '../../harness/next-served.ts'

const log: Log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {}, child: () => log }
const servers: MetricsServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

const figures = () =>
  new Metrics({
    calls: () => 3,
    mediaLoads: () => [0.25, 0.5],
    stalledMediaThreads: () => 1,
    registrations: () => 2,
    webSockets: () => 4,
    trunks: () =>
      new Map([
        ['pbx', 'up'],
        ['carrier', 'down'],
        ['other', 'unknown'],
      ] as const),
    trunkRegistrations: () => new Map([['carrier', true]]),
    certificateDays: () => new Map([['/etc/webtrunk/fullchain.pem', 13]]),
    drops: () => ({ media: { 'stun.unknown-ufrag': 7 } }),
  })

const STATS: LegStats = {
  packetsReceived: 100,
  octetsReceived: 16_000,
  packetsSent: 90,
  octetsSent: 14_400,
  payloadSamples: 1,
  flatSamples: 0,
  clockRatio: 1,
  drops: { 'srtp.replay': 5 },
  remote: '192.0.2.9:4000',
  suite: 'none',
  lossRatio: 0.01,
  jitterMs: 3,
  rttMs: 20,
  mos: 4.1,
  remoteLossRatio: undefined,
  remoteJitterMs: undefined,
  peerReports: 0,
  emptyReports: 0,
}

function ended(isFailed: boolean) {
  let nowMs = 0
  const trace = new CallTrace({
    callId: 'secret-call',
    caller: 'user:alice',
    callee: 'trunk:pbx',
    nowMs: () => nowMs,
    startedAt: new Date(0),
  })
  trace.leg('caller', 'user:alice', 'webrtc')
  trace.climb('caller', 'S1')
  nowMs = 40
  trace.agreed('caller', 'PCMU')
  nowMs = 60_000
  trace.enter('connected')
  nowMs = 60_150
  trace.climb('caller', 'S3')
  trace.measured('caller', STATS)
  nowMs = 70_000
  const verdict = isFailed ? verdictOf(new MediaFailure('ice.consent-lost'), { leg: 'caller' }) : undefined
  trace.end({ verdict, isCancelled: false })
  return trace.report()
}

describe('metrics', () => {
  it('count calls by outcome and code, and hold stage durations, quality, drops, trunks and event-loop lag', async () => {
    const metrics = figures()
    metrics.ended(ended(false))
    metrics.ended(ended(true))
    const text = await metrics.text()
    for (const line of [
      'webtrunk_calls_total{outcome="ok",stage="none",code="none"} 1',
      'webtrunk_calls_total{outcome="failed",stage="S3",code="ice.consent-lost"} 1',
      'webtrunk_call_findings_total{stage="S3",code="ice.consent-lost"} 1',
      'webtrunk_calls 3',
      'webtrunk_media_load{thread="0"} 0.25',
      'webtrunk_media_load{thread="1"} 0.5',
      'webtrunk_media_threads_stalled 1',
      'webtrunk_registrations 2',
      'webtrunk_websockets 4',
      'webtrunk_trunk_up{trunk="pbx"} 1',
      'webtrunk_trunk_up{trunk="carrier"} 0',
      'webtrunk_trunk_registered{trunk="carrier"} 1',
      'webtrunk_certificate_days{file="/etc/webtrunk/fullchain.pem"} 13',
      'webtrunk_drops_total{part="media",reason="stun.unknown-ufrag"} 7',
      'webtrunk_rtp_packets_total{kind="webrtc",direction="received"} 200',
      'webtrunk_rtp_drops_total{kind="webrtc",reason="srtp.replay"} 10',
      // From the answer, not from the INVITE a minute before.
      'webtrunk_stage_seconds_bucket{le="0.2",stage="S3",kind="webrtc"} 1',
      'webtrunk_leg_mos_count{kind="webrtc"} 2',
      'webtrunk_leg_loss_ratio_count{kind="webrtc"} 2',
      'webtrunk_leg_jitter_ms_count{kind="webrtc"} 2',
    ]) {
      expect(text).toContain(`${line}\n`)
    }
    expect(text).toContain('nodejs_eventloop_lag_seconds ')
    expect(text).not.toMatch(/trunk="other"|secret-call|alice|192\.0\.2\.9/)
  })

  it('are served to who has the token, on /metrics and nowhere else', async () => {
    const config = { host: '127.0.0.1', port: 0, token: new Secret('0123456789abcdef') }
    const server = await openMetrics(config, figures(), log)
    servers.push(server)
    const ask = async (path: string, authorization?: string) =>
      (
        await fetch(`http://127.0.0.1:${server.port}${path}`, {
          headers: authorization === undefined ? {} : { authorization },
        })
      ).status
    expect(await ask('/metrics')).toBe(401)
    expect(await ask('/metrics', 'Bearer 0123456789abcdeg')).toBe(401)
    expect(await ask('/metrics', 'Bearer 0123456789abcdef')).toBe(200)
    expect(await ask('/', 'Bearer 0123456789abcdef')).toBe(404)
  })

  it('are cut off from who does not read them', async () => {
    // More than the kernel takes off our hands.
    const large = 'x'.repeat(16 * 2 ** 20)
    const source = { contentType: 'text/plain', text: async () => large } as const
    const server = await openMetrics({ host: '127.0.0.1', port: 0, token: undefined }, source, log, 200)
    servers.push(server)
    const served = nextServed()
    const socket = connect(server.port, '127.0.0.1')
    socket.write('GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n')
    await once(await served, 'close')
    socket.destroy()
  })
})
