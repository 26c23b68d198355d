import { afterEach, describe, expect, test } from 'vitest'
import type { BrowserPage } from '../harness/browser-page.ts'
import { Chromium } from '../harness/chromium.ts'
import { closeAll, closing } from '../harness/closing.ts'
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

afterEach(closeAll)

interface Browser {
  newPage(): Promise<BrowserPage>
  close(): Promise<void>
}

/** What a browser makes of our reports. */
interface Remote {
  /** Of the stream we receive. */
  readonly inbound?: {
    readonly roundTripTime?: number
    readonly fractionLost?: number
    readonly packetsLost?: number
    readonly jitter?: number
  }
  /** Of the stream we send. */
  readonly outbound?: { readonly packetsSent?: number; readonly ssrc?: number }
}

const REMOTE_STATS = `(async () => {
  const report = [...(await connection.getStats()).values()]
  return {
    inbound: report.find((entry) => entry.type === 'remote-inbound-rtp'),
    outbound: report.find((entry) => entry.type === 'remote-outbound-rtp'),
  }
})()`

/** A busy machine loses a packet now and then. */
const FEW = expect.toSatisfy((ratio: number) => ratio < 0.02)

describe.each([
  ['Chromium', (): Promise<Browser> => Chromium.start(620)],
  ['Firefox', (): Promise<Browser> => Firefox.start()],
] as const)('%s', (_name, start) => {
  test('knows the round trip and the loss from our reports, and we from its', async () => {
    const server = closing(await serveEmptyPage())
    const browser = closing(await start())
    const page = await browser.newPage()
    await page.goto(server.url)
    await page.evaluate(OPEN_CONNECTION)
    const engine = openEngine({ addresses: [ownAddress()] })
    const session = await engine.openSession('call', new MediaLog())
    const local = await session.addLeg('caller', { kind: 'webrtc' })
    if (local.kind !== 'webrtc') throw new Error('not a browser leg')
    const offer = String(await page.evaluate(MAKE_OFFER))
    const opus = opusOf(offer)
    await session.setRemote('caller', remoteOf(offer))
    const map = [{ from: opus, to: opus, clockRateHz: 48_000 }]
    await session.setRoute('caller', { kind: 'echo', map })
    const answer = JSON.stringify({ type: 'answer', sdp: answerOf(local, offer, 1) })
    await page.evaluate(`connection.setRemoteDescription(${answer})`)

    const remote = async () => (await page.evaluate(REMOTE_STATS)) as Remote
    const patience = { timeout: 40_000, interval: 250 }
    await expect.poll(async () => (await remote()).inbound?.roundTripTime, patience).toBeTypeOf('number')
    await expect.poll(async () => (await remote()).outbound?.packetsSent, patience).toBeGreaterThan(0)
    const { inbound, outbound } = await remote()
    expect(inbound?.roundTripTime).toBeLessThan(1)
    expect(inbound).toMatchObject({ fractionLost: FEW })
    expect(inbound?.packetsLost).toBeLessThan(10)
    expect(inbound?.jitter).toBeGreaterThan(0)
    expect(outbound?.ssrc).toBe(local.ssrc)

    const figures = async () => (await session.stats()).legs.caller
    await expect.poll(async () => (await figures())?.rttMs, patience).toBeTypeOf('number')
    const leg = await figures()
    expect(leg?.rttMs).toBeLessThan(1000)
    expect(leg).toMatchObject({ lossRatio: FEW, remoteLossRatio: FEW })
    expect(leg?.mos).toBeGreaterThan(3)
    expect(engine.counters()['rtcp.malformed']).toBeUndefined()
    expect(engine.counters()['media.internal']).toBeUndefined()
  })
})
