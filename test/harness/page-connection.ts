import { createServer } from 'node:http'
import type { WebrtcLocal, WebrtcRemote } from '../../media/parameters.ts'

/** In a page: a peer connection with the microphone. */
export const OPEN_CONNECTION = `(async () => {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true })
  window.connection = new RTCPeerConnection()
  window.connection.addTrack(stream.getAudioTracks()[0], stream)
})()`
/** In that page: an offer with all candidates. */
export const MAKE_OFFER = `(async () => {
  await connection.setLocalDescription()
  while (connection.iceGatheringState !== 'complete') await new Promise((resolve) => setTimeout(resolve, 10))
  return connection.localDescription.sdp
})()`

/** Pages of `localhost` may use the microphone. */
export async function serveEmptyPage(): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html').end('<!doctype html><title>test</title>')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    url: `http://localhost:${typeof address === 'object' ? address?.port : ''}/`,
    async close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

function match(sdp: string, pattern: RegExp): readonly [string, string] {
  const [, first = '', second = ''] = pattern.exec(sdp) ?? []
  if (first === '') throw new Error(`no ${pattern} in the description`)
  return [first, second]
}

export function remoteOf(offer: string): WebrtcRemote {
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

/** Of one opus stream both ways. */
export function answerOf(local: WebrtcLocal, offer: string, version: number): string {
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

/** Of opus in the browser's offer. */
export function opusOf(offer: string): number {
  return Number(match(offer, /^a=rtpmap:(\d+) opus/m)[0])
}
