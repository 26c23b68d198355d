/**
 * The gateway side of `bench:sip`: user agent, call, SDP and media engine as in the daemon, but from trunk to trunk (which
 * the daemon's router never does), so that SIPp can stand on both legs. Prints its UDP port, then its CPU time in
 * microseconds for each line on standard input.
 */

import { createInterface } from 'node:readline'
import type { Log } from '../../config/logging.ts'
import { Call } from '../../gateway/calls/call.ts'
import type { LegMedia } from '../../gateway/calls/leg.ts'
import { systemEnvironment } from '../../gateway/environment.ts'
import { Reporters } from '../../gateway/ladder/reporters.ts'
import { Refusals } from '../../gateway/refusals.ts'
import { createNativeEngine } from '../../media/native-engine.ts'
import type { Flow } from '../../sip/flow.ts'
import type { NameAddr } from '../../sip/message/message.ts'
import { sipUri } from '../../sip/message/uri.ts'
import { UdpTransport } from '../../sip/transport/udp.ts'
import { createUserAgent } from '../../sip/user-agent.ts'

const HOST = '127.0.0.1'
const MAX_CALLS = 10_000

const calleePort = Number(process.argv[2])
const media: LegMedia = {
  kind: 'rtp',
  codecs: ['PCMU', 'PCMA'],
  suites: [],
  keying: 'none',
  avpf: false,
  rtcpMux: false,
  dtmf: 'rfc4733',
  ptimeMs: undefined,
  localAddress: HOST,
  announced: undefined,
  ports: 'per-call',
}
const party = (user: string, port: number): NameAddr => ({
  displayName: undefined,
  uri: sipUri({ user, host: HOST, port }),
  parameters: new Map(),
})
const silent: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: (message, fields) => console.error(message, fields),
  child: () => silent,
}

const engine = createNativeEngine({
  addresses: [HOST],
  announced: [],
  webrtcPort: 0,
  rtpPortMin: 10_000,
  rtpPortMax: 59_999,
  portRestMs: 0,
  latchMs: 1_000,
  iceTimeoutMs: 15_000,
  dtlsTimeoutMs: 15_000,
  consentTimeoutMs: 30_000,
  maxSessions: MAX_CALLS,
})
const userAgent = createUserAgent({
  environment: systemEnvironment,
  product: 'webtrunk-bench',
  sentBy: (flow: Flow) => ({ host: flow.local.address, port: flow.local.port }),
  limits: {
    maxServerTransactions: MAX_CALLS * 16,
    maxClientTransactions: MAX_CALLS * 16,
    maxDialogs: MAX_CALLS * 4,
    maxForks: 16,
  },
  handler: {
    onInvite: (invite) => {
      const from = party('bench', transport.local.port)
      const to = party('100', calleePort)
      new Call(
        {
          userAgent,
          engine,
          environment: systemEnvironment,
          log: silent,
          refusals: new Refusals({ nowMs: () => systemEnvironment.nowMs(), log: silent }),
          limits: { ringTimeoutS: 60, attemptS: 4, progressS: 20 },
          said: () => undefined,
          shown: () => from,
          admitMessage: () => {},
          reporters: new Reporters(),
          maxDurationS: () => 3_600,
          silence: { rtpTimeoutS: 0, rtpHoldTimeoutS: 0 },
          findSide: () => undefined,
          planTransfer: () => {
            throw new Error('no transfers here')
          },
          onEnded: () => {},
        },
        invite,
        {
          name: 'trunk:a',
          identity: { user: 'a', isForeignNumber: false, displayName: undefined, isPrivate: false },
          media,
          passHeaders: 'all',
        },
        {
          ticket: { payer: 'trunk:a', isEmergency: false, isOutside: true, release: () => {} },
          callee: {
            kind: 'party',
            name: 'trunk:b',
            media,
            targets: [{ flow: transport.flowTo(HOST, calleePort), uri: to.uri, party: 'trunk:b' }],
            from,
            to,
            passHeaders: 'all',
            headers: [],
            redirectHosts: new Set<string>(),
          },
        },
      ).start()
    },
    onRequest: (request) => request.respond(405),
    onError: (error) => console.error(error),
  },
})
const transport = await UdpTransport.open({
  address: { address: HOST, port: 0 },
  handler: { onMessage: (bytes, flow) => userAgent.receive(bytes, flow) },
  scopeOf: (remote) => `trunk:${remote.port}`,
  token: systemEnvironment.token,
})
process.stdout.write(`${transport.local.port}\n`)
createInterface({ input: process.stdin }).on('line', () => {
  const { user, system } = process.cpuUsage()
  process.stdout.write(`${user + system}\n`)
})
