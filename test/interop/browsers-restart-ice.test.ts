import { createSocket } from 'node:dgram'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LocalTransport } from '../../media/parameters.ts'
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
  test('re-offers without a restart, then with one, and media goes on', async () => {
    const browser = await start()
    try {
      const page = await browser.newPage()
      await page.goto(server.url)
      await page.evaluate(OPEN_CONNECTION)
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
      await browser.close()
    }
  })
})
