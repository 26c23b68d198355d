import { createServer, type Server } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BrowserPage, SoftphonePage } from '../harness/browser-page.ts'
import { Chromium } from '../harness/chromium.ts'
import { FIREFOX_MICROPHONE_HZ, Firefox } from '../harness/firefox.ts'

/** Two peer connections of one page: the second hears the microphone through the first. */
const CONNECT_TO_ITSELF = `(async () => {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true })
  const from = new RTCPeerConnection()
  const to = new RTCPeerConnection()
  from.onicecandidate = ({ candidate }) => to.addIceCandidate(candidate)
  to.onicecandidate = ({ candidate }) => from.addIceCandidate(candidate)
  const audio = new Audio()
  to.ontrack = ({ track }) => {
    audio.srcObject = new MediaStream([track])
    audio.play()
  }
  from.addTrack(stream.getAudioTracks()[0], stream)
  await from.setLocalDescription()
  await to.setRemoteDescription(from.localDescription)
  await to.setLocalDescription()
  await from.setRemoteDescription(to.localDescription)
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

describe.each([
  ['Chromium', 620, (): Promise<Browser> => Chromium.start(620)],
  ['Firefox', FIREFOX_MICROPHONE_HZ, (): Promise<Browser> => Firefox.start()],
] as const)('%s', (_name, toneHz, start) => {
  test(`hears its microphone's ${toneHz} Hz`, async () => {
    const browser = await start()
    try {
      const page = await browser.newPage()
      await page.goto(url)
      await page.evaluate(CONNECT_TO_ITSELF)
      const probe = new SoftphonePage(page)
      await probe.waitForTone(toneHz)
      const stats = await probe.stats()
      expect(stats.connectionState).toBe('connected')
      expect(stats.packetsReceived).toBeGreaterThan(0)
    } finally {
      await browser.close()
    }
  })
})
