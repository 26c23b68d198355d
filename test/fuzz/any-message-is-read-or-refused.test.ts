/** Mutated messages: whatever comes in, the parser ends in a message or a SipFailure, and a message can be used. */
import { expect, it } from 'vitest'
import { createDigestServer } from '../../sip/authentication/digest.ts'
import { SipFailure } from '../../sip/failure.ts'
import { buildResponse, stampRequest } from '../../sip/message/build.ts'
import { formatMessage } from '../../sip/message/format.ts'
import {
  addresses,
  contacts,
  contentType,
  credentials,
  headerValues,
  optionTags,
  reasons,
  retryAfter,
  seconds,
  sessionExpires,
} from '../../sip/message/headers.ts'
import { type Answerable, MalformedRequest } from '../../sip/message/malformed-request.ts'
import { isSipUri, type NameAddr, type SipMessage } from '../../sip/message/message.ts'
import { formatNameAddr, parseNameAddr } from '../../sip/message/name-addr.ts'
import { parseMessage } from '../../sip/message/parser.ts'
import { areEqualUris, parseUri, sipUri } from '../../sip/message/uri.ts'
import { handleRegister } from '../../sip/registration/registrar.ts'
import { below, seeded } from '../harness/seeded.ts'
import { createLocation } from '../harness/sip/location.ts'
import { flowTo } from '../harness/sip/memory-flows.ts'
import { requestText } from '../harness/sip/sip-messages.ts'
import { ABOVE, INVALID, VALID } from '../vectors/rfc4475-messages.ts'

const ROUNDS = 20_000
const SOURCE = { address: '192.0.2.9', port: 5060 }

const SEEDS: readonly Buffer[] = [
  ...[...Object.values(VALID), ...Object.values(INVALID), ...Object.values(ABOVE)].map(({ bytes }) => bytes),
  Buffer.from(
    requestText('REGISTER', [
      'Contact: "x, \\"y" <sip:k3j5@a.invalid;transport=ws>;+sip.instance="<urn:uuid:1>";reg-id=1;expires=60, <sip:b@c>',
      'Authorization: Digest username="bob", realm="r", nonce="n", uri="sip:r", response="0", qop=auth, nc=00000001, cnonce="c"',
      'Session-Expires: 90;refresher=uac',
      'Reason: Q.850;cause=16;text="a, b", SIP;cause=200',
      'Retry-After: 18000 (in a "meeting");duration=3600',
      'Route: <sip:a;lr>, "b" <sip:[2001:db8::1]:5061;lr>',
      'Supported: outbound, path',
      'Content-Type: application/sdp; charset="utf-8"',
    ]),
  ),
  // Was read, and threw when its Via was stamped.
  Buffer.from(requestText('OPTIONS', ['Via: SIP/"x/UDP h;a="b;rport="'])),
]

const DICTIONARY = [
  '\r\n',
  '\r\n ',
  '\r',
  '\n',
  '\0',
  ':',
  ';',
  ',',
  '"',
  '\\',
  '<',
  '>',
  '@',
  '%',
  '%00',
  '%zz',
  '?',
  '=',
  '[',
  ']',
  '*',
  '\u00e9',
  ';tag=',
  ';rport',
  ';received=',
  ';rport="',
  ' / "x/ ',
  '__proto__',
  'SIP/2.0',
  'SIP/7.0',
  'Via: ',
  'v:',
  'To: ',
  'Content-Length: ',
  '99999999999999999999',
  '-1',
  '\r\n\r\n',
  'sips:',
  'tel:',
  '[::1]:5060',
  ' ',
  '\t',
  '\ufffd',
].map((text) => Buffer.from(text))

function mutate(bytes: Buffer, draw: (limit: number) => number): Buffer {
  let result = bytes
  for (let changes = 1 + draw(3); changes > 0; changes -= 1) {
    const at = draw(result.length + 1)
    const before = result.subarray(0, at)
    const piece = DICTIONARY[draw(DICTIONARY.length)] ?? Buffer.alloc(0)
    const kind = draw(20)
    // Printable more often than not: anything else is refused early.
    const byte = draw(4) === 0 ? draw(256) : 0x20 + draw(95)
    if (kind < 8) result = Buffer.concat([before, Buffer.from([byte]), result.subarray(at + 1)])
    else if (kind < 12) result = Buffer.concat([before, piece, result.subarray(at)])
    else if (kind < 15) result = Buffer.concat([before, result.subarray(at + draw(20))])
    else if (kind < 18) result = Buffer.concat([before, piece, result.subarray(at + draw(20))])
    else if (kind < 19) result = Buffer.concat([before, result.subarray(draw(at + 1))])
    else result = before
  }
  return result
}

/** Runs what may refuse; anything but a SipFailure fails the test. */
function attempt<Result>(work: () => Result): Result | undefined {
  try {
    return work()
  } catch (error) {
    if (error instanceof SipFailure) return undefined
    throw error
  }
}

const digest = createDigestServer({ realm: 'r', secret: '0'.repeat(32) })
const location = createLocation({ maxBindings: 100 })

function useAddress(address: NameAddr): void {
  const again = parseNameAddr(formatNameAddr(address))
  expect(again.uri.text).toBe(address.uri.text)
  const { uri } = address
  if (isSipUri(uri)) {
    expect(areEqualUris(uri, parseUri(uri.text))).toBe(true)
    const made = sipUri({ user: uri.user, host: uri.host, port: uri.port, parameters: uri.parameters })
    expect(made).toMatchObject({ user: uri.user, host: uri.host, port: uri.port, parameters: uri.parameters })
  }
}

function useMessage(message: SipMessage): void {
  const written = formatMessage(message)
  const again = parseMessage(written)
  expect(again.callId).toBe(message.callId)
  expect(again.via.map(({ text }) => text)).toEqual(message.via.map(({ text }) => text))
  expect(again.body.equals(message.body)).toBe(true)
  expect(formatMessage(again).equals(written)).toBe(true)
  useAddress(message.from)
  useAddress(message.to)
  for (const { name } of message.headers) attempt(() => headerValues(message, name))
  attempt(() => contacts(message))
  for (const route of attempt(() => addresses(message, 'Route')) ?? []) useAddress(route)
  attempt(() => contentType(message))
  attempt(() => sessionExpires(message))
  attempt(() => optionTags(message, 'Require'))
  seconds(message, 'Expires')
  retryAfter(message)
  attempt(() => reasons(message))
  credentials(message, 'Authorization')
  if (message.kind === 'response') return
  const stamped = stampRequest(message, SOURCE)
  parseMessage(formatMessage(buildResponse(stamped, 200, { toTag: 'ours' })))
  digest.verify(message, 0, () => undefined)
  const input = { request: message, user: 'bob', flow: flowTo('a'), location, nowMs: 0 }
  const answer = handleRegister({ ...input, policy: { minExpiresS: 60, maxExpiresS: 600 } })
  formatMessage(buildResponse(stamped, answer.status, { headers: answer.headers }))
}

/** The message, what is needed to refuse it, or nothing. */
function parse(bytes: Buffer): SipMessage | Answerable | undefined {
  try {
    return parseMessage(bytes)
  } catch (error) {
    if (!(error instanceof SipFailure))
      throw new Error(JSON.stringify(bytes.toString('latin1')), { cause: error })
    return error instanceof MalformedRequest ? error.answerable : undefined
  }
}

it(`${ROUNDS} mutated messages are read or refused, and what is read can be used`, () => {
  const draw = below(seeded(20_251_120))
  let read = 0
  let answered = 0
  for (let round = 0; round < ROUNDS; round += 1) {
    const seed = SEEDS[draw(SEEDS.length)] ?? Buffer.alloc(0)
    const bytes = mutate(seed, draw)
    const outcome = parse(bytes)
    try {
      if (outcome === undefined) continue
      if ('kind' in outcome) {
        read += 1
        useMessage(outcome)
      } else {
        answered += 1
        formatMessage(buildResponse(stampRequest(outcome, SOURCE), 400, { toTag: 'ours' }))
      }
    } catch (cause) {
      throw new Error(`round ${round}: ${JSON.stringify(bytes.toString('latin1'))}`, { cause })
    }
  }
  // Otherwise the mutations are too gentle or too rough to try both ways.
  expect(read).toBeGreaterThan(ROUNDS / 10)
  expect(answered).toBeGreaterThan(ROUNDS / 20)
})
