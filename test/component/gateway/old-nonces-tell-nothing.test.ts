import { afterEach, expect, test } from 'vitest'
import { digestResponse } from '../../../sip/authentication/digest-response.ts'
import { rawValues } from '../../../sip/message/headers.ts'
import type { SipResponse } from '../../../sip/message/message.ts'
import { sipUri } from '../../../sip/message/uri.ts'
import type { NoAnswer } from '../../../sip/user-agent.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'

// A nonce that the gateway has not made was answered by stale=true where the password was right, and by no word
// about it where it was wrong; neither was counted or logged.

let gateway: ScriptedGateway
afterEach(async () => gateway.close())

/** REGISTER with a nonce of the sender's own making. */
async function registerWith(peer: Peer, password: string): Promise<SipResponse | NoAnswer> {
  const aor = {
    displayName: undefined,
    uri: sipUri({ user: 'alice', host: 'example.com' }),
    parameters: new Map(),
  }
  const answer = {
    username: 'alice',
    realm: 'example.com',
    nonce: 'made-up',
    uri: 'sip:example.com',
    algorithm: 'MD5',
  } as const
  const qop = { nc: '00000001', cnonce: 'c' }
  const response = digestResponse({ ...answer, method: 'REGISTER', password, qop })
  const fields = Object.entries({ ...answer, response, cnonce: qop.cnonce }).map(([name, value]) =>
    name === 'algorithm' ? `${name}=${value}` : `${name}="${value}"`,
  )
  const value = `Digest ${fields.join(', ')}, qop=auth, nc=${qop.nc}`
  const request = {
    method: 'REGISTER',
    flow: peer.flow,
    uri: sipUri({ host: 'example.com' }),
    from: aor,
    to: aor,
  }
  const outcome = new Promise<SipResponse | NoAnswer>((resolve) => {
    peer.userAgent.request({ ...request, headers: [{ name: 'Authorization', value }] }, resolve)
  })
  // On a closed connection nothing comes but Timer F.
  await gateway.time.advance(peer.flow.isOpen ? 100 : 40_000)
  return outcome
}

const shown = (outcome: SipResponse | NoAnswer): unknown =>
  typeof outcome === 'string'
    ? outcome
    : [
        outcome.status,
        rawValues(outcome, 'WWW-Authenticate').map((value) => value.replace(/nonce="[^"]*"/, 'nonce')),
      ]

test('a made-up nonce with the right password is answered like one with a wrong password', async () => {
  gateway = await ScriptedGateway.open()
  const right = await registerWith(gateway.browser(), gateway.passwordOf('alice'))
  const wrong = await registerWith(gateway.browser(), 'wrong')
  expect(shown(wrong)).toEqual(shown(right))
  expect(shown(right)).toEqual([401, expect.arrayContaining([expect.stringContaining('stale=true')])])
})

test('who sends old nonces again and again is cut, and barred like who guesses', async () => {
  gateway = await ScriptedGateway.open()
  const peer = gateway.browser()
  for (let turn = 0; turn < 20; turn += 1) expect(shown(await registerWith(peer, 'wrong'))).toContain(401)
  expect(await registerWith(peer, 'wrong')).toBe('transport')
  for (let turn = 0; turn < 14; turn += 1) {
    const next = gateway.browser()
    for (let count = 0; count < 20; count += 1) await registerWith(next, 'wrong')
  }
  expect(shown(await registerWith(gateway.browser(), 'wrong'))).toContain(503)
})

test('a client whose nonce has grown old at each refresh is not', async () => {
  gateway = await ScriptedGateway.open()
  const peer = gateway.browser()
  for (let turn = 0; turn < 60; turn += 1) {
    expect(shown(await registerWith(peer, gateway.passwordOf('alice')))).toContain(401)
    await gateway.time.advance(60_000)
  }
  expect(await gateway.register(peer, 'alice', gateway.passwordOf('alice'))).toBe(200)
})
