/**
 * Microseconds to parse an INVITE as a browser sends it, with 3 KB of SDP; to answer it; and to write it again.
 * `node test/bench/run.mjs sip-parser`
 */
import { buildResponse, stampRequest } from '../../sip/message/build.ts'
import { formatMessage } from '../../sip/message/format.ts'
import { parseMessage } from '../../sip/message/parser.ts'

const line =
  'a=candidate:842163049 1 udp 1677729535 198.51.100.7 51556 typ srflx raddr 10.0.0.2 rport 51556\r\n'
const sdp = `v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n${line.repeat(30)}`.slice(
  0,
  3072,
)
const invite = Buffer.from(
  [
    'INVITE sip:+4930123456@gateway.example.com SIP/2.0',
    'Via: SIP/2.0/WSS 7hs5jd8v2n4c.invalid;branch=z9hG4bK8431659',
    'Max-Forwards: 70',
    'To: <sip:+4930123456@gateway.example.com>',
    'From: "Alice Example" <sip:alice@gateway.example.com>;tag=u1f4k2l9sd',
    'Call-ID: 1jhv7d1rkp1m0l8b3a9c',
    'CSeq: 1 INVITE',
    'Contact: <sip:k3j5h2l1@7hs5jd8v2n4c.invalid;transport=ws;ob>',
    'Allow: ACK,CANCEL,INVITE,MESSAGE,BYE,OPTIONS,INFO,NOTIFY,REFER',
    'Supported: outbound',
    'User-Agent: SIP.js/0.21.2',
    'Content-Type: application/sdp',
    `Content-Length: ${sdp.length}`,
    '',
    sdp,
  ].join('\r\n'),
)

/** The best of seven rounds: what the machine can do when nobody disturbs it. */
function measure(name: string, work: () => unknown): void {
  const rounds = 20_000
  let best = Number.POSITIVE_INFINITY
  for (let attempt = 0; attempt < 7; attempt += 1) {
    const start = process.hrtime.bigint()
    for (let i = 0; i < rounds; i += 1) work()
    best = Math.min(best, Number(process.hrtime.bigint() - start) / 1_000 / rounds)
  }
  console.log(`${name}: ${best.toFixed(2)} us`)
}

const parsed = parseMessage(invite)
if (parsed.kind !== 'request') throw new Error('not a request')
measure('parse INVITE with 3 KB SDP', () => parseMessage(invite))
measure('build and write its 180', () =>
  formatMessage(
    buildResponse(stampRequest(parsed, { address: '192.0.2.9', port: 5060 }), 180, { toTag: 'a' }),
  ),
)
measure('write INVITE with 3 KB SDP', () => formatMessage(parsed))
