import { createSocket } from 'node:dgram'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Direction, LocalTransport } from '../../media/parameters.ts'
import { createAnswer, readAnswer } from '../../sdp/answer.ts'
import { answerableCodecs, payloadMap, STANDARD_CODECS } from '../../sdp/codecs.ts'
import { createOffer, readOffer } from '../../sdp/offer.ts'
import type { Offer } from '../../sdp/session.ts'
import type { BrowserPage } from '../harness/browser-page.ts'
import { Chromium } from '../harness/chromium.ts'
import { Firefox } from '../harness/firefox.ts'
import { MediaLog, openEngine } from '../harness/media-bench.ts'
import { ownAddress } from '../harness/own-address.ts'
import {
  answerOf,
  MAKE_OFFER,
  OPEN_CONNECTION,
  opusOf,
  remoteOf,
  serveEmptyPage,
} from '../harness/page-connection.ts'
import { bindingRequest } from '../harness/relay-bench.ts'
import { repeatUntil, until } from '../harness/until.ts'
import { waitFor } from '../harness/wait-for.ts'

interface Browser {
  newPage(): Promise<BrowserPage>
  close(): Promise<void>
}

let server: Awaited<ReturnType<typeof serveEmptyPage>>

beforeAll(async () => {
  server = await serveEmptyPage()
})

afterAll(() => server.close())

describe.each([
  ['Chromium', (): Promise<Browser> => Chromium.start(620)],
  ['Firefox', (): Promise<Browser> => Firefox.start()],
] as const)('%s', (_name, start) => {
  let browser: Browser
  beforeAll(async () => {
    browser = await start()
  })
  afterAll(() => browser.close())

  const openPage = async (): Promise<BrowserPage> => {
    const page = await browser.newPage()
    await page.goto(server.url)
    await page.evaluate(OPEN_CONNECTION)
    return page
  }

  test('re-offers without a restart, then with one, and media goes on', async () => {
    const page = await openPage()
    try {
      const engine = openEngine({ addresses: [ownAddress()] })
      const log = new MediaLog()
      const session = await engine.openSession('call', log)
      const local = await session.addLeg('caller', { kind: 'webrtc' })

      let version = 0
      const negotiate = async (): Promise<LocalTransport> => {
        const offer = String(await page.evaluate(MAKE_OFFER))
        const payloadType = opusOf(offer)
        const map = [{ from: payloadType, to: payloadType, clockRateHz: 48_000 }]
        const now = await session.setRemote('caller', remoteOf(offer))
        if (now.kind !== 'webrtc') throw new Error('not a browser leg')
        await session.setRoute('caller', { kind: 'echo', map })
        version++
        const answer = JSON.stringify({ type: 'answer', sdp: answerOf(now, offer, version) })
        await page.evaluate(`connection.setRemoteDescription(${answer})`)
        return now
      }
      const mediaGoesOn = async (): Promise<void> => {
        const figures = async () => (await session.stats()).legs.caller
        const before = await figures()
        const wanted = (before?.packetsSent ?? 0) + 25
        await expect
          .poll(async () => (await figures())?.packetsSent, { timeout: 20_000 })
          .toBeGreaterThan(wanted)
      }

      expect(await negotiate()).toBe(local)
      await mediaGoesOn()
      expect(await negotiate(), 'no restart').toBe(local)
      await mediaGoesOn()

      await page.evaluate('connection.restartIce()')
      const after = await negotiate()
      expect(after).not.toBe(local)
      await mediaGoesOn()

      // The browser has checked with the new credentials: the old ones are gone.
      if (local.kind !== 'webrtc') throw new Error('not a browser leg')
      const [at] = local.candidates
      const probe = createSocket('udp4')
      await repeatUntil(
        () => probe.send(bindingRequest(`${local.ice.ufrag}:x`), at?.port ?? 0, at?.address),
        () => (engine.counters()['stun.unknown-ufrag'] ?? 0) > 0,
      )
      probe.close()
      await mediaGoesOn()
      expect(await page.evaluate('connection.connectionState')).toBe('connected')
      expect(await negotiate(), 'once').toBe(after)
      await until(() => log.rungs('caller').length === 6)
      expect(log.failures).toEqual([])
    } finally {
      await page.close()
    }
  })

  test('adds its microphone again in a section of its own, twice, and is heard and hears', async () => {
    const page = await openPage()
    try {
      const engine = openEngine({ addresses: [ownAddress()] })
      const log = new MediaLog()
      const session = await engine.openSession('call', log)
      let local = await session.addLeg('caller', { kind: 'webrtc' })
      let offer: Offer | undefined
      let version = 0
      const origin = () => ({ sessionId: '1', version: ++version })
      const negotiate = async (): Promise<void> => {
        offer = readOffer(Buffer.from(String(await page.evaluate(MAKE_OFFER))), 'webrtc', {}, offer)
        if (offer.transport.kind !== 'webrtc') throw new Error('not a browser')
        local = await session.setRemote('caller', { ...offer.transport, setup: 'active' })
        const codecs = answerableCodecs(offer, STANDARD_CODECS)
        const map = payloadMap(codecs, codecs)
        await session.setRoute('caller', { kind: 'echo', map })
        const sdp = createAnswer({ offer, local, codecs, origin: origin(), direction: 'sendrecv' })
        await page.evaluate(`connection.setRemoteDescription(${JSON.stringify({ type: 'answer', sdp })})`)
      }
      /** As a trunk that holds, or resumes. */
      const offered = async (direction: Direction): Promise<Direction> => {
        const codecs = answerableCodecs(offer ?? raise('no offer'), STANDARD_CODECS)
        const made = createOffer({ local, codecs, origin: origin(), direction, slots: offer })
        const description = JSON.stringify({ type: 'offer', sdp: made.text })
        await page.evaluate(`connection.setRemoteDescription(${description})`)
        await page.evaluate('connection.setLocalDescription()')
        const answer = String(await page.evaluate('connection.localDescription.sdp'))
        return readAnswer(Buffer.from(answer), made.sent).direction
      }
      /** What is heard here comes back and is heard there, by the track that the page has played from the start. */
      const audioGoesRound = async (): Promise<void> => {
        const heard = async () => ({
          here: (await session.stats()).legs.caller?.packetsReceived ?? 0,
          there: Number(await page.evaluate(HEARD_BY_FIRST_TRACK)),
        })
        const before = await heard()
        await waitFor('audio that goes round', async () => {
          const now = await heard()
          return now.here > before.here + 10 && now.there > before.there + 10 ? true : undefined
        })
      }

      await negotiate()
      await audioGoesRound()
      for (const section of [1, 2]) {
        await page.evaluate(TAKE_MICROPHONE)
        await negotiate()
        expect(offer?.direction).toBe('recvonly')
        await page.evaluate(ADD_MICROPHONE)
        await negotiate()
        expect(offer).toMatchObject({ audioIndex: 0, microphoneIndex: section, direction: 'sendrecv' })
        await audioGoesRound()
      }
      expect(await offered('sendonly')).toBe('recvonly')
      expect(await offered('sendrecv')).toBe('sendrecv')
      await audioGoesRound()
      expect(await page.evaluate('connection.connectionState')).toBe('connected')
      expect(log.failures).toEqual([])
    } finally {
      await page.close()
    }
  })
})

function raise(message: string): never {
  throw new Error(message)
}

const TAKE_MICROPHONE = `(() => {
  const sender = connection.getSenders().find(({ track }) => track !== null)
  window.microphone = sender.track
  connection.removeTrack(sender)
})()`
const ADD_MICROPHONE = '(() => { connection.addTrack(microphone, new MediaStream([microphone])) })()'
/** Packets. */
const HEARD_BY_FIRST_TRACK = `(async () => {
  const { receiver } = connection.getTransceivers()[0]
  const stats = [...(await receiver.getStats()).values()]
  return stats.find(({ type }) => type === 'inbound-rtp')?.packetsReceived ?? 0
})()`
