import { describe, expect, it } from 'vitest'
import type { RtpLocal } from '../../../media/parameters.ts'
import { createAnswer, readAnswer } from '../../../sdp/answer.ts'
import { answerableCodecs, offerableCodecs, payloadMap } from '../../../sdp/codecs.ts'
import { createOffer, readOffer } from '../../../sdp/offer.ts'
import {
  bytes,
  fixture,
  fixtureText,
  ORIGIN,
  RTP_LOCAL,
  SDES_LOCAL,
  trunkSdp,
  WEBRTC_LOCAL,
} from './samples.ts'

const ALLOWED = ['opus', 'G722', 'PCMU', 'PCMA']
const KEY = 'd0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj'
const TRUNKS: readonly (readonly [string, RtpLocal])[] = [
  ['plain', RTP_LOCAL],
  ['SDES', SDES_LOCAL],
]

/** What belongs to one leg alone: keys, ICE, fingerprints, candidates' addresses, sources, session ids, addresses. */
const PRIVATE = [
  /^a=(?:ice-ufrag|ice-pwd|ssrc|msid):(\S+)/gm,
  /^a=fingerprint:\S+ (\S+)/gm,
  /^a=crypto:\S+ \S+ inline:([^|\s]+)/gm,
  /^a=candidate:\S+ \d \S+ \d+ (\S+)/gm,
  /^o=\S+ (\d+)/gm,
  /^[oc]=.*IN IP[46] (\S+)/gm,
]

function secretsOf(text: string): string[] {
  const found = PRIVATE.flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[1] ?? ''))
  return found.filter((value) => value.length > 1)
}

function expectNothingCrossed(from: string, to: string): void {
  const secrets = secretsOf(from)
  expect(secrets.length).toBeGreaterThan(1)
  expect(secrets.filter((secret) => to.includes(secret))).toEqual([])
}

describe.each(TRUNKS)('a browser calls a %s trunk', (_, trunk) => {
  it.each(['chromium-offer', 'firefox-offer', 'chromium-offer-with-video', 'firefox-offer-video-first'])(
    '%s',
    (name) => {
      const offer = readOffer(fixture(name), 'webrtc')
      const leg = createOffer({
        local: trunk,
        codecs: offerableCodecs(offer.codecs, ALLOWED),
        origin: ORIGIN,
        direction: offer.direction,
        ptimeMs: offer.ptimeMs,
      })
      expectNothingCrossed(fixtureText(name), leg.text)
      expect(leg.text).not.toMatch(
        /^a=(ice|fingerprint|setup|candidate|group|mid|extmap|ssrc|msid|rtcp-mux)/m,
      )

      const crypto = trunk.crypto.length === 0 ? [] : [`a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:${KEY}`]
      const profile = crypto.length === 0 ? 'RTP/AVP' : 'RTP/SAVP'
      const lines = ['a=rtpmap:97 telephone-event/8000', 'a=ptime:30', ...crypto]
      const trunkAnswer = trunkSdp(`m=audio 4000 ${profile} 8 97`, lines)
      const answer = readAnswer(trunkAnswer, leg.sent)
      expect(answer.localCrypto).toBe(trunk.crypto[1])

      const text = createAnswer({
        offer,
        local: WEBRTC_LOCAL,
        codecs: answerableCodecs(offer, answer.codecs),
        origin: ORIGIN,
        direction: answer.direction,
        ptimeMs: answer.ptimeMs,
      })
      expectNothingCrossed(Buffer.from(trunkAnswer).toString(), text)
      expect(text).not.toContain('a=crypto')
      expect(text).toContain('a=ptime:30\r\n')
      const events = name.startsWith('chromium') ? 126 : 101
      expect(text).toMatch(new RegExp(`^m=audio 4433 UDP/TLS/RTP/SAVPF 8 ${events}\\r$`, 'm'))
      expect(payloadMap(answerableCodecs(offer, answer.codecs), answer.codecs)).toEqual([
        { from: 8, to: 8, clockRateHz: 8000, isOneOctetATick: true },
      ])
    },
  )
})

describe.each([
  ['plain', 'baresip-offer-plain', RTP_LOCAL],
  ['plain', 'linphone-offer-plain', RTP_LOCAL],
  ['plain', 'in-the-manner-of-freeswitch-offer-plain', RTP_LOCAL],
  ['SDES', 'linphone-offer-sdes', SDES_LOCAL],
  ['SDES', 'baresip-offer-sdes', SDES_LOCAL],
  ['SDES', 'in-the-manner-of-asterisk-offer-sdes', SDES_LOCAL],
] as const)('a %s trunk calls a browser: %s', (_, name, trunk) => {
  it.each(['chromium-answer', 'firefox-answer'])('%s', (browser) => {
    const suites = trunk.crypto.map(({ suite }) => suite)
    const offer = readOffer(fixture(name), 'rtp', { suites })
    const leg = createOffer({
      local: WEBRTC_LOCAL,
      codecs: offerableCodecs(offer.codecs, ALLOWED),
      origin: ORIGIN,
      direction: offer.direction,
    })
    expectNothingCrossed(fixtureText(name), leg.text)
    expect(leg.text).not.toContain('a=crypto')

    const answer = readAnswer(fixture(browser), leg.sent)
    const codecs = answerableCodecs(offer, answer.codecs)
    const text = createAnswer({ offer, local: trunk, codecs, origin: ORIGIN, direction: answer.direction })
    expectNothingCrossed(fixtureText(browser), text)
    expect(text).not.toMatch(/^a=(ice|fingerprint|setup|candidate|group|mid|extmap|ssrc|msid|rtcp)/m)
    expect(text.match(/^a=crypto/gm)?.length ?? 0).toBe(trunk.crypto.length === 0 ? 0 : 1)
    for (const codec of codecs) {
      expect(offer.codecs.map(({ payloadType }) => payloadType)).toContain(codec.payloadType)
    }
    // The trunk reads our answer as we would.
    const sent = { kind: 'rtp', codecs: offer.codecs, local: { ...trunk, crypto: offer.crypto } } as const
    expect(readAnswer(bytes(text), sent).codecs).toEqual(codecs)
  })
})
