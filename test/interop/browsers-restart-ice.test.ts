import { createSocket } from 'node:dgram'
import { createServer, type Server } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LocalTransport, WebrtcLocal, WebrtcRemote } from '../../media/parameters.ts'
import type { BrowserPage } from '../harness/browser-page.ts'
import { Chromium } from '../harness/chromium.ts'
import { Firefox } from '../harness/firefox.ts'
import { MediaLog, openEngine } from '../harness/media-bench.ts'
import { ownAddress } from '../harness/own-address.ts'
import { bindingRequest } from '../harness/relay-bench.ts'
import { repeatUntil, until } from '../harness/until.ts'

/** In the page: a peer connection whose offers are gathered to the end. */
const OPEN = `(async () => {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true })
  window.connection = new RTCPeerConnection()
  window.connection.addTrack(stream.getAudioTracks()[0], stream)
})()`
const OFFER = `(async () => {
  await connection.setLocalDescription()
  while (connection.iceGatheringState !== 'complete') await new Promise((resolve) => setTimeout(resolve, 10))
  return connection.localDescription.sdp
})()`

interface Browser {
  newPage(): Promise<BrowserPage>
  close(): Promise<void>
}

let server: Server
let url = ''

beforeAll(async () => {
  server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html').end('<!doctype html><title>test</title>')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  url = `http://localhost:${typeof address === 'object' ? address?.port : ''}/`
})

afterAll(() => {
  server.close()
  server.closeAllConnections()
})

function match(sdp: string, pattern: RegExp): readonly [string, string] {
  const [, first = '', second = ''] = pattern.exec(sdp) ?? []
  if (first === '') throw new Error(`no ${pattern} in the description`)
  return [first, second]
}

function remoteOf(offer: string): WebrtcRemote {
  const [hash, value] = match(offer, /^a=fingerprint:(\S+) (\S+)/m)
  const [ufrag] = match(offer, /^a=ice-ufrag:(\S+)/m)
  const [pwd] = match(offer, /^a=ice-pwd:(\S+)/m)
  return {
    kind: 'webrtc',
    ice: { ufrag, pwd },
    fingerprints: [{ hash: hash.toLowerCase(), value }],
    setup: 'active',
  }
}

function answerOf(local: WebrtcLocal, offer: string, version: number): string {
  const [opus] = match(offer, /^a=rtpmap:(\d+) opus\/48000\/2/m)
  const [mid] = match(offer, /^a=mid:(\S+)/m)
  return [
    'v=0',
    `o=- 1 ${version} IN IP4 127.0.0.1`,
    's=-',
    't=0 0',
    'a=ice-lite',
    `a=group:BUNDLE ${mid}`,
    `m=audio 9 UDP/TLS/RTP/SAVPF ${opus}`,
    'c=IN IP4 0.0.0.0',
    `a=mid:${mid}`,
    'a=sendrecv',
    'a=rtcp-mux',
    `a=rtpmap:${opus} opus/48000/2`,
    'a=setup:passive',
    `a=fingerprint:${local.fingerprint.hash} ${local.fingerprint.value}`,
    `a=ice-ufrag:${local.ice.ufrag}`,
    `a=ice-pwd:${local.ice.pwd}`,
    ...local.candidates.map(
      ({ foundation, priority, address, port }) =>
        `a=candidate:${foundation} 1 udp ${priority} ${address} ${port} typ host`,
    ),
    'a=end-of-candidates',
    '',
  ].join('\r\n')
}

describe.each([
  ['Chromium', (): Promise<Browser> => Chromium.start(620)],
  ['Firefox', (): Promise<Browser> => Firefox.start()],
] as const)('%s', (_name, start) => {
  test('re-offers without a restart, then with one, and media goes on', async () => {
    const browser = await start()
    try {
      const page = await browser.newPage()
      await page.goto(url)
      await page.evaluate(OPEN)
      const engine = openEngine({ addresses: [ownAddress()] })
      const log = new MediaLog()
      const session = await engine.openSession('call', log)
      const local = await session.addLeg('caller', { kind: 'webrtc' })

      let version = 0
      const negotiate = async (): Promise<LocalTransport> => {
        const offer = String(await page.evaluate(OFFER))
        const payloadType = Number(match(offer, /^a=rtpmap:(\d+) opus/m)[0])
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
