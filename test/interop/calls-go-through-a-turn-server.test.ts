import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Secret } from '../../config/secret.ts'
import { type IceServers, TurnCredentials } from '../../gateway/web/turn.ts'
import type { SoftphonePage } from '../harness/browser-page.ts'
import { Chromium } from '../harness/chromium.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Coturn } from '../harness/coturn.ts'
import { Daemon, PASSWORDS } from '../harness/daemon.ts'
import { answerDigest } from '../harness/digest-answer.ts'

const SECRET = 'shared with the TURN server'
const MICROPHONE_HZ = 620

let turn: Coturn
let chromium: Chromium
let daemon: Daemon
let urls: string[]

// A firewall that lets nothing but TCP out: the browser may use no candidate of its own, and the relay is reached over TCP.
beforeAll(async () => {
  turn = await Coturn.start(SECRET)
  urls = [`turn:${turn.address}:${turn.port}?transport=tcp`]
  chromium = await Chromium.start(MICROPHONE_HZ, { isRelayed: true })
  daemon = await Daemon.start({ config: { turn: { urls, secret: SECRET } } })
})
afterEach(closeAll)
afterAll(async () => {
  await chromium.close()
  await daemon.close()
  await turn.close()
})

const open = async (): Promise<SoftphonePage> => {
  const phone = closing(await chromium.newSoftphone())
  await phone.signIn(daemon.pageFor('alice'))
  return phone
}

/** What the browser sends by, when it is connected. */
const PATH = `(async () => {
  const report = [...(await window.peerConnectionsOfTest.at(-1).getStats()).values()]
  const transport = report.find(({ type }) => type === 'transport')
  const pair = report.find(({ id }) => id === transport?.selectedCandidatePairId)
  const local = report.find(({ id }) => id === pair?.localCandidateId)
  return { type: local?.candidateType, relayProtocol: local?.relayProtocol }
})()`

test('a browser that may only relay hears the tone, and itself, by credentials that came with its registration', async () => {
  const phone = await open()
  await phone.dial('tone')
  await phone.waitForTone(440)
  await phone.waitForPackets(100)
  expect(await phone.evaluate(PATH)).toEqual({ type: 'relay', relayProtocol: 'tcp' })
  await phone.hangUp()
  await phone.waitForCall('none')
  await phone.dial('echo')
  await phone.waitForTone(MICROPHONE_HZ)
  await phone.hangUp()
  await daemon.waitForNoCalls()
})

/** What comes of asking the TURN server for a relay: how many candidates, and which errors. */
const gather = async (phone: SoftphonePage, { iceServers }: IceServers) =>
  (await phone.evaluate(`(async () => {
    const connection = new RTCPeerConnection({ iceServers: ${JSON.stringify(iceServers)}, iceTransportPolicy: 'relay' })
    const errors = []
    let candidates = 0
    connection.addEventListener('icecandidateerror', ({ errorCode }) => errors.push(errorCode))
    connection.addEventListener('icecandidate', ({ candidate }) => { if (candidate?.candidate) candidates += 1 })
    connection.createDataChannel('any')
    await connection.setLocalDescription()
    while (connection.iceGatheringState !== 'complete') await new Promise((resolve) => setTimeout(resolve, 10))
    connection.close()
    return { candidates, errors: [...new Set(errors)] }
  })()`)) as { readonly candidates: number; readonly errors: readonly number[] }

test('credentials of /ice-servers are good for a relay; wrong and expired ones are refused by the TURN server', async () => {
  const phone = await open()
  const url = `${daemon.pageUrl}ice-servers`
  const challenges = (await fetch(url)).headers.get('www-authenticate') ?? ''
  const challenge = challenges.split(/(?=Digest )/).find((line) => line.includes('algorithm=SHA-256')) ?? ''
  const answer = { challenge, method: 'GET', uri: '/ice-servers', user: 'alice', password: PASSWORDS.alice }
  const given = (await (
    await fetch(url, { headers: { authorization: answerDigest(answer) ?? '' } })
  ).json()) as IceServers
  expect(given.iceServers[0]?.urls).toEqual(urls)
  expect(await gather(phone, given)).toMatchObject({ candidates: 1, errors: [] })

  const config = { urls, secret: new Secret(SECRET), lifetimeS: 3_600 }
  const wrong = new TurnCredentials({ ...config, secret: new Secret('another secret than it has') })
  expect(await gather(phone, wrong.serversFor('alice'))).toEqual({ candidates: 0, errors: [401] })
  const expired = new TurnCredentials(config, () => Date.now() - 2 * 3_600_000)
  expect(await gather(phone, expired.serversFor('alice'))).toEqual({ candidates: 0, errors: [401] })
})
