import { beforeEach, expect, test } from 'vitest'
import { KeyBytes } from '../../../../media/key-bytes.ts'
import { RtpLeg } from '../../../../media/leg/rtp-leg.ts'
import type { LegHost } from '../../../../media/leg-host.ts'
import type { DtlsContext, Relay, RtpTarget } from '../../../../media/native/boundary.ts'
import type { RtpLocal, RtpRemote, SdesKey } from '../../../../media/parameters.ts'
import { VirtualMediaClock } from '../../../harness/virtual-media-clock.ts'

const PLAIN: RtpRemote = {
  kind: 'rtp',
  rtp: { address: '192.0.2.9', port: 4000 },
  rtcp: { address: '192.0.2.9', port: 4001 },
  crypto: undefined,
}

let calls: string[]
let targets: (RtpTarget | undefined)[]
beforeEach(() => {
  calls = []
  targets = []
})

function host(): LegHost {
  const relay: Pick<Relay, 'setRemote' | 'setKeys'> = {
    setRemote: (_, target) => {
      calls.push('target')
      targets.push(target)
    },
    setKeys: (_, direction, key) => {
      calls.push(`${direction} ${key === 'none' ? 'none' : key.keySalt[0]}`)
    },
  }
  return {
    relay: relay as Relay,
    dtls: {} as DtlsContext,
    clock: new VirtualMediaClock(),
    timeouts: { latchMs: 700, iceTimeoutMs: 1, dtlsTimeoutMs: 1, consentTimeoutMs: 1 },
    stage: (event) => calls.push(event.kind),
    fail: () => undefined,
    count: () => undefined,
    moved: () => undefined,
    note: () => undefined,
  }
}

function key(first: number): SdesKey & { readonly keySalt: KeyBytes } {
  return { tag: 1, suite: 'AES_CM_128_HMAC_SHA1_80', keySalt: new KeyBytes(new Uint8Array(30).fill(first)) }
}

function leg(crypto: readonly (SdesKey & { readonly keySalt: KeyBytes })[] = []): RtpLeg {
  const rtp = { address: '192.0.2.1', port: 20_000 }
  const local: RtpLocal = { kind: 'rtp', rtp, rtcpPort: 20_001, crypto, ssrc: 1, cname: 'c' }
  const secrets = crypto.map(({ keySalt }) => keySalt)
  return new RtpLeg(1, local, { secrets, isPlainAllowed: false }, host())
}

test('keys, or their absence, go before the target: nothing flows in between', () => {
  leg().setRemote(PLAIN, undefined)
  expect(calls).toEqual(['receive none', 'send none', 'target'])
  expect(targets).toEqual([{ rtp: PLAIN.rtp, rtcp: PLAIN.rtcp, latchMs: 700 }])
})

test('the same description again is told to the relay, which knows whether the peer is heard', () => {
  const plain = leg()
  plain.setRemote(PLAIN, undefined)
  plain.setRemote({ ...PLAIN, rtp: { ...PLAIN.rtp } }, undefined)
  const target = { rtp: PLAIN.rtp, rtcp: PLAIN.rtcp, latchMs: 700 }
  expect(targets).toEqual([target, target])
})

test('so is the description in force when the call is answered, and only then; on hold there is none', () => {
  const plain = leg()
  plain.expectMedia()
  expect(targets).toEqual([])
  plain.setRemote(PLAIN, undefined)
  plain.expectMedia()
  const target = { rtp: PLAIN.rtp, rtcp: PLAIN.rtcp, latchMs: 700 }
  expect(targets).toEqual([target, target])
  plain.setRemote({ ...PLAIN, rtp: { address: '0.0.0.0', port: 4000 } }, undefined)
  plain.expectMedia()
  expect(targets).toEqual([target, target, undefined])
})

test.each(['0.0.0.0', '::', '0:0:0:0:0:0:0:0', '::0.0.0.0', '::ffff:0.0.0.0'])(
  'the unspecified address %s is no target, and resuming is one',
  (address) => {
    const plain = leg()
    plain.setRemote({ ...PLAIN, rtp: { address, port: 4000 } }, undefined)
    plain.setRemote(PLAIN, undefined)
    plain.setRemote({ ...PLAIN, rtp: { address, port: 4000 } }, undefined)
    plain.setRemote(PLAIN, undefined)
    const target = { rtp: PLAIN.rtp, rtcp: PLAIN.rtcp, latchMs: 700 }
    expect(targets).toEqual([undefined, target, undefined, target])
  },
)

test('port 0 is no target; an unusable one of RTCP alone is the one beside RTP', () => {
  const plain = leg()
  plain.setRemote({ ...PLAIN, rtp: { ...PLAIN.rtp, port: 0 } }, undefined)
  plain.setRemote({ ...PLAIN, rtcp: { address: '0.0.0.0', port: 9 } }, undefined)
  plain.setRemote({ ...PLAIN, rtcp: { ...PLAIN.rtp, port: 0 } }, undefined)
  const target = { rtp: PLAIN.rtp, rtcp: { address: '192.0.2.9', port: 4001 }, latchMs: 700 }
  expect(targets).toEqual([undefined, target, target])
})

test('an encrypted leg takes keys in both directions, and never clear text', () => {
  const local = key(1)
  const encrypted = leg([local])
  encrypted.setRemote({ ...PLAIN, crypto: key(2) }, local)
  expect(calls).toEqual(['receive 2', 'send 1', 'keys-ready', 'target'])
  const wrong = expect.objectContaining({ code: 'media.wrong-leg' })
  expect(() => encrypted.setRemote(PLAIN, undefined)).toThrow(wrong)
  expect(() => encrypted.setRemote({ ...PLAIN, crypto: key(2) }, undefined)).toThrow(wrong)
  expect(() => encrypted.setRemote(PLAIN, local)).toThrow(wrong)
  expect(() => leg().setRemote({ ...PLAIN, crypto: key(2) }, local), 'keys on a plain leg').toThrow(wrong)
  expect(calls).toHaveLength(4)
})

test('its own keys print as [redacted] and are wiped at the end', () => {
  const local = key(9)
  const encrypted = leg([local])
  expect(`${local.keySalt} ${JSON.stringify({ key: local.keySalt })}`).toBe('[redacted] {"key":"[redacted]"}')
  encrypted.close()
  expect(local.keySalt.reveal()).toEqual(new Uint8Array(30))
})
