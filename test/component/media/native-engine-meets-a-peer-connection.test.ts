import { afterEach, expect, test } from 'vitest'
import { MediaStreamTrack, RTCPeerConnection, RTCRtpCodecParameters, RtpHeader, RtpPacket } from 'werift'
import { createNativeEngine } from '../../../media/native-engine.ts'
import type { WebrtcLocal, WebrtcRemote } from '../../../media/parameters.ts'
import { repeatUntil, until } from '../../harness/until.ts'

const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** The value of the first `a=name:` line. */
function attribute(sdp: string, name: string): string {
  const value = new RegExp(`^a=${name}:(.*)$`, 'm').exec(sdp)?.[1]?.trim()
  if (value === undefined) throw new Error(`no ${name} in the description`)
  return value
}

function remoteOf(sdp: string): WebrtcRemote {
  const [hash = '', value = ''] = attribute(sdp, 'fingerprint').split(' ')
  return {
    kind: 'webrtc',
    ice: { ufrag: attribute(sdp, 'ice-ufrag'), pwd: attribute(sdp, 'ice-pwd') },
    fingerprints: [{ hash, value }],
    setup: 'active',
  }
}

function answerOf(local: WebrtcLocal, mid: string): string {
  const candidates = local.candidates.map(
    ({ foundation, priority, address, port }) =>
      `a=candidate:${foundation} 1 udp ${priority} ${address} ${port} typ host`,
  )
  return [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    'a=ice-lite',
    `a=group:BUNDLE ${mid}`,
    'm=audio 9 UDP/TLS/RTP/SAVPF 0',
    'c=IN IP4 0.0.0.0',
    `a=mid:${mid}`,
    'a=sendrecv',
    'a=rtcp-mux',
    'a=rtpmap:0 PCMU/8000',
    'a=setup:passive',
    `a=fingerprint:${local.fingerprint.hash} ${local.fingerprint.value}`,
    `a=ice-ufrag:${local.ice.ufrag}`,
    `a=ice-pwd:${local.ice.pwd}`,
    `a=ssrc:${local.ssrc} cname:${local.cname}`,
    ...candidates,
    'a=end-of-candidates',
    '',
  ].join('\r\n')
}

test('a whole peer connection with its own ICE connects and hears its echo', async () => {
  const engine = createNativeEngine({
    addresses: ['127.0.0.1'],
    announced: [],
    webrtcPort: 0,
    rtpPortMin: 20_000,
    rtpPortMax: 20_100,
    portRestMs: 0,
    latchMs: 0,
    iceTimeoutMs: 10_000,
    dtlsTimeoutMs: 10_000,
    consentTimeoutMs: 30_000,
    maxSessions: 1,
  })
  closing.push(() => engine.close())
  const failures: string[] = []
  const session = await engine.openSession('call', {
    onStage: () => undefined,
    onFailure: (_, failure) => failures.push(failure.code),
    onKeyPress: () => undefined,
  })
  const local = await session.addLeg('caller', { kind: 'webrtc' })
  if (local.kind !== 'webrtc') throw new Error('not a browser leg')
  await session.setRoute('caller', { kind: 'echo', map: [{ from: 0, to: 0, clockRateHz: 8000 }] })

  const peer = new RTCPeerConnection({
    iceServers: [],
    iceAdditionalHostAddresses: ['127.0.0.1'],
    codecs: { audio: [new RTCRtpCodecParameters({ mimeType: 'audio/PCMU', clockRate: 8000, channels: 1 })] },
  })
  closing.push(() => peer.close())
  const track = new MediaStreamTrack({ kind: 'audio' })
  const transceiver = peer.addTransceiver(track, { direction: 'sendrecv' })
  const heard: RtpPacket[] = []
  transceiver.onTrack.subscribe((received) => {
    received.onReceiveRtp.subscribe((packet) => heard.push(packet))
  })
  await peer.setLocalDescription(await peer.createOffer())
  const offer = peer.localDescription?.sdp ?? ''
  await session.setRemote('caller', remoteOf(offer))
  await peer.setRemoteDescription({ type: 'answer', sdp: answerOf(local, attribute(offer, 'mid')) })
  await until(() => peer.connectionState === 'connected')

  const payload = Buffer.from('one frame of voice')
  let sequenceNumber = 1
  await repeatUntil(
    () => {
      const header = new RtpHeader({
        payloadType: 0,
        sequenceNumber,
        timestamp: sequenceNumber++ * 160,
        ssrc: 7,
      })
      track.writeRtp(new RtpPacket(header, payload))
    },
    () => heard.length > 2,
  )
  expect(heard.every((packet) => packet.payload.equals(payload) && packet.header.ssrc === local.ssrc)).toBe(
    true,
  )
  expect(failures).toEqual([])

  await session.close()
  await until(() => Object.values(engine.tables()).every((size) => size === 0))
  expect(failures).toEqual([])
})
