import {
  DigestAuthentication,
  Grammar,
  IncomingResponseMessage,
  LoggerFactory,
  Parser,
} from 'sip.js/lib/core/index.js'
import { expect, it } from 'vitest'
import { bearerChallenge } from '../../../sip/authentication/bearer.ts'
import { createDigestServer } from '../../../sip/authentication/digest.ts'
import { buildResponse } from '../../../sip/message/build.ts'
import { formatMessage } from '../../../sip/message/format.ts'
import { handleRegister } from '../../../sip/registration/registrar.ts'
import { createLocation } from '../../harness/sip/location.ts'
import { flowTo } from '../../harness/sip/memory-flows.ts'
import { parseRequest, requestText } from '../../harness/sip/sip-messages.ts'

const logger = new LoggerFactory()
logger.builtinEnabled = false

const ALICE = ['From: <sip:alice@example.com>;tag=1', 'To: <sip:alice@example.com>', 'CSeq: 2 REGISTER']
const DEVICE =
  'Contact: <sip:k3j5@7hs5jd8v2n4c.invalid;transport=ws>;+sip.instance="<urn:uuid:1>";expires=600'

/** What SIP.js reads of a response of ours. */
function readBySipJs(text: string): IncomingResponseMessage {
  const message = Parser.parseMessage(text, logger.getLogger('test'))
  if (!(message instanceof IncomingResponseMessage)) throw new Error('SIP.js does not read it')
  return message
}

it('SIP.js reads our 401, keeps the last challenge and answers it so that it may register', () => {
  const digest = createDigestServer({ realm: 'example.com', secret: '0'.repeat(32) })
  const first = parseRequest(requestText('REGISTER', [...ALICE, DEVICE]))
  const bearer = bearerChallenge(
    { realm: 'example.com', authzServer: 'https://issuer.example/', scope: 'sip' },
    false,
  )
  const values = [bearer, ...digest.challenges(0)]
  const headers = values.map((value) => ({ name: 'WWW-Authenticate', value }))
  const refusal = readBySipJs(formatMessage(buildResponse(first, 401, { toTag: 't', headers })).toString())
  const challenge = refusal.parseHeader('www-authenticate')
  expect(challenge).toMatchObject({ algorithm: 'MD5', realm: 'example.com' })

  const client = new DigestAuthentication(logger, undefined, 'alice', 'secret')
  const target = Grammar.URIParse('sip:bob@example.com')
  if (target === undefined) throw new Error('SIP.js does not read the URI')
  expect(client.authenticate({ method: 'REGISTER', ruri: target } as never, challenge)).toBe(true)

  const request = parseRequest(
    requestText('REGISTER', [...ALICE, DEVICE, `Authorization: ${client.toString()}`]),
  )
  const verdict = digest.verify(request, 0, () => ({ password: { reveal: () => 'secret' } }))
  expect(verdict).toEqual({ kind: 'accepted', user: 'alice' })

  const policy = { minExpiresS: 60, maxExpiresS: 600 }
  const answer = handleRegister({
    request,
    flow: flowTo('f'),
    user: 'alice',
    location: createLocation(),
    nowMs: 0,
    policy,
  })
  const welcome = readBySipJs(
    formatMessage(buildResponse(request, answer.status, { toTag: 't', headers: answer.headers })).toString(),
  )
  expect(welcome.statusCode).toBe(200)
  expect(welcome.parseHeader('contact')).toMatchObject({
    uri: { user: 'k3j5', host: '7hs5jd8v2n4c.invalid' },
  })
  expect(welcome.parseHeader('contact').getParam('expires')).toBe('600')
})
