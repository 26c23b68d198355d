import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { SRTP_SUITES, type SrtpSuite } from '../../media/parameters.ts'
import { ORACLE_SUITES, SrtpOracle } from '../harness/srtp-oracle.ts'
import { SrtpReference } from '../harness/srtp-reference.ts'
import { compile, SRTP_TOOL } from '../native/compile.ts'

const SSRC = 0xcafebabe
/** From near the end of one round into the next, with gaps. */
const INDICES = Array.from({ length: 160 }, (_, i) => 0xffa0 + i).filter((index) => index % 7 !== 3)

function rtp(index: number): Buffer {
  const header = Buffer.from('80080000000000000000000000', 'hex').subarray(0, 12)
  header.writeUInt16BE(index & 0xffff, 2)
  header.writeUInt32BE(index * 160, 4)
  header.writeUInt32BE(SSRC, 8)
  // With CSRC and extension, now and then: they are authenticated and not encrypted.
  if (index % 5 !== 0) return Buffer.concat([header, randomBytes(index % 200)])
  header.writeUInt8(0x91, 0)
  return Buffer.concat([header, Buffer.from('11111111bede000110aa0000', 'hex'), randomBytes(160)])
}

function rtcp(): Buffer {
  return Buffer.concat([Buffer.from('80c80006cafebabe', 'hex'), randomBytes(20)])
}

let tool = ''
// A shared machine may be slow.
beforeAll(async () => {
  tool = await compile(SRTP_TOOL)
}, 300_000)

/** Feeds lines to our implementation; one answer each. */
function ours(lines: readonly string[]): string[] {
  const { stdout, stderr, status } = spawnSync(tool, {
    input: `${lines.join('\n')}\n`,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
  return stdout.trimEnd().split('\n')
}

/** werift where it knows the suite, and a second reading of the RFCs for all: that one is judged by werift through us. */
const PEERS = [
  ...ORACLE_SUITES.map((suite) => ({ suite, peer: 'werift', open: () => new SrtpOracle(suite) })),
  ...(Object.keys(SRTP_SUITES) as SrtpSuite[]).map((suite) => ({
    suite,
    peer: 'the reference',
    open: () => new SrtpReference(suite),
  })),
]

describe.each(PEERS)('$suite and $peer', ({ suite, open }) => {
  test('it reads what we protect', () => {
    const oracle = open()
    const media = INDICES.map(rtp)
    const reports = Array.from({ length: 20 }, rtcp)
    const [ready, ...answers] = ours([
      `sender ${suite} ${oracle.fromRelay.toString('hex')} ${SSRC}`,
      ...media.map((packet) => `protect_rtp ${packet.toString('hex')}`),
      ...reports.map((packet) => `protect_rtcp ${packet.toString('hex')}`),
    ])
    expect(ready).toBe('ok')
    const sealed = answers.map((answer) => Buffer.from(answer, 'hex'))
    expect(sealed.slice(0, media.length).map((packet) => oracle.unprotect(packet))).toEqual(media)
    expect(sealed.slice(media.length).map((packet) => oracle.unprotectRtcp(packet))).toEqual(reports)
  })

  test('we read what it protects', () => {
    const oracle = open()
    const media = INDICES.map(rtp)
    const reports = Array.from({ length: 20 }, rtcp)
    const [ready, ...answers] = ours([
      `receiver ${suite} ${oracle.toRelay.toString('hex')}`,
      ...media.map((packet) => `unprotect_rtp ${oracle.protect(packet).toString('hex')}`),
      ...reports.map((packet) => `unprotect_rtcp ${oracle.protectRtcp(packet).toString('hex')}`),
    ])
    expect(ready).toBe('ok')
    expect(answers).toEqual([...media, ...reports].map((packet) => packet.toString('hex')))
  })

  test('neither takes a packet made with another key', () => {
    const oracle = open()
    const stranger = open()
    const [, media, report] = ours([
      `receiver ${suite} ${oracle.toRelay.toString('hex')}`,
      `unprotect_rtp ${stranger.protect(rtp(1)).toString('hex')}`,
      `unprotect_rtcp ${stranger.protectRtcp(rtcp()).toString('hex')}`,
    ])
    expect([media, report]).toEqual(['drop srtp.auth-failed', 'drop srtp.auth-failed'])
    const [, sealed] = ours([
      `sender ${suite} ${oracle.fromRelay.toString('hex')} ${SSRC}`,
      `protect_rtp ${rtp(1).toString('hex')}`,
    ])
    expect(() => stranger.unprotect(Buffer.from(sealed ?? '', 'hex'))).toThrow()
  })
})

test.each(Object.keys(SRTP_SUITES) as SrtpSuite[])(
  '%s: an MKI stands where the reference puts it',
  (suite) => {
    for (const mki of ['01', '00000107', 'ff'.repeat(128)]) {
      const peer = new SrtpReference(suite, Buffer.from(mki, 'hex'))
      const media = INDICES.map(rtp)
      const reports = Array.from({ length: 20 }, rtcp)
      const [ready, ...answers] = ours([
        `receiver ${suite} ${peer.toRelay.toString('hex')} ${mki}`,
        ...media.map((packet) => `unprotect_rtp ${peer.protect(packet).toString('hex')}`),
        ...reports.map((packet) => `unprotect_rtcp ${peer.protectRtcp(packet).toString('hex')}`),
      ])
      expect(ready).toBe('ok')
      expect(answers).toEqual([...media, ...reports].map((packet) => packet.toString('hex')))
    }
  },
)
