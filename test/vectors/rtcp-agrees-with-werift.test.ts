import { describe, expect, test } from 'vitest'
import {
  GenericNack,
  PictureLossIndication,
  ReceiverEstimatedMaxBitrate,
  RtcpPacketConverter,
  RtcpPayloadSpecificFeedback,
  RtcpReceiverInfo,
  RtcpRrPacket,
  RtcpSenderInfo,
  RtcpSourceDescriptionPacket,
  RtcpSrPacket,
  RtcpTransportLayerFeedback,
  SourceDescriptionChunk,
  SourceDescriptionItem,
} from 'werift'
import { formatRtcp, type OwnRtcp, parseRtcp, type ReportBlock } from '../../media/rtcp/rtcp.ts'

const BLOCK: ReportBlock = {
  ssrc: 0x8000_0001,
  fractionLost: 255,
  cumulativeLost: 0x12_3456,
  highestSequence: 0xffff_fffe,
  jitter: 321,
  lastReport: 0xdead_beef,
  delaySinceLastReport: 0x0001_8000,
}

const SENDER_REPORT: OwnRtcp = {
  kind: 'sender-report',
  ssrc: 0xffff_ffff,
  ntpSeconds: 0xe9ab_cdef,
  ntpFraction: 0x8000_0000,
  rtpTimestamp: 0xfedc_ba98,
  packets: 1234,
  octets: 197_440,
  blocks: [BLOCK, { ...BLOCK, ssrc: 2 }],
}

/** werift's names of the same. */
function weriftBlock({ lastReport, delaySinceLastReport, cumulativeLost, ...block }: ReportBlock) {
  return { ...block, packetsLost: cumulativeLost, lsr: lastReport, dlsr: delaySinceLastReport }
}

describe('what we write is what werift reads', () => {
  test('sender report', () => {
    const [packet] = RtcpPacketConverter.deSerialize(formatRtcp([SENDER_REPORT]))
    expect(packet).toMatchObject({
      type: 200,
      ssrc: 0xffff_ffff,
      senderInfo: {
        ntpTimestamp: 0xe9ab_cdef_8000_0000n,
        rtpTimestamp: 0xfedc_ba98,
        packetCount: 1234,
        octetCount: 197_440,
      },
      reports: [weriftBlock(BLOCK), { ...weriftBlock(BLOCK), ssrc: 2 }],
    })
  })

  test('receiver report and source description', () => {
    for (const cname of ['a', 'ab', 'abc', 'abcd', 'x'.repeat(255)]) {
      const packets = RtcpPacketConverter.deSerialize(
        formatRtcp([
          { kind: 'receiver-report', ssrc: 7, blocks: [BLOCK] },
          { kind: 'source-description', chunks: [{ ssrc: 7, cname }] },
        ]),
      )
      expect(packets).toMatchObject([
        { type: 201, ssrc: 7, reports: [weriftBlock(BLOCK)] },
        { type: 202, chunks: [{ source: 7, items: [{ type: 1, text: cname }] }] },
      ])
    }
  })
})

describe('what werift writes is what we read', () => {
  test('reports', () => {
    const reports = [new RtcpReceiverInfo(weriftBlock(BLOCK))]
    const senderInfo = new RtcpSenderInfo({
      ntpTimestamp: 0xe9ab_cdef_8000_0000n,
      rtpTimestamp: 0xfedc_ba98,
      packetCount: 1234,
      octetCount: 197_440,
    })
    const bytes = Buffer.concat([
      new RtcpSrPacket({ ssrc: 0xffff_ffff, senderInfo, reports }).serialize(),
      new RtcpRrPacket({ ssrc: 5, reports }).serialize(),
    ])
    expect(parseRtcp(bytes)).toEqual([
      { ...SENDER_REPORT, blocks: [BLOCK] },
      { kind: 'receiver-report', ssrc: 5, blocks: [BLOCK] },
    ])
  })

  test('source descriptions of every length, with other items', () => {
    for (let length = 1; length <= 12; length++) {
      const cname = 'c'.repeat(length)
      const items = [
        new SourceDescriptionItem({ type: 2, text: 'name' }),
        new SourceDescriptionItem({ type: 1, text: cname }),
      ]
      const chunks = [new SourceDescriptionChunk({ source: 1, items })]
      expect(parseRtcp(new RtcpSourceDescriptionPacket({ chunks }).serialize())).toEqual([
        { kind: 'source-description', chunks: [{ ssrc: 1, cname }] },
      ])
    }
  })

  test('feedback', () => {
    const ssrcs = { senderSsrc: 1, mediaSsrc: 2 }
    const media = (feedback: RtcpPayloadSpecificFeedback['feedback']) =>
      new RtcpPayloadSpecificFeedback({ feedback }).serialize()
    const nack = new GenericNack({ senderSsrc: 1, mediaSourceSsrc: 2, lost: [5, 6] })
    const bytes = [
      media(new PictureLossIndication(ssrcs)),
      media(
        new ReceiverEstimatedMaxBitrate({
          ...ssrcs,
          brExp: 1,
          brMantissa: 2,
          ssrcNum: 1,
          ssrcFeedbacks: [2],
        }),
      ),
      new RtcpTransportLayerFeedback({ feedback: nack }).serialize(),
    ]
    expect(parseRtcp(Buffer.concat(bytes))).toEqual([{ kind: 'pli' }, { kind: 'remb' }, { kind: 'nack' }])
  })
})
