import { MediaStreamTrack, RTCPeerConnection, RTCRtpCodecParameters, RtpHeader, RtpPacket } from 'werift'
import { decodeG711, encodeG711, type G711 } from '../../media/g711.ts'
import { sine } from './selftest-tone.ts'

export interface SelftestAudioOptions {
  /** The tone it sends. */
  readonly toneHz: number
  /** Offered or accepted, best first. Default: both. */
  readonly codecs?: readonly G711[]
  /** Families of its candidates. Default: IPv4 and IPv6. */
  readonly useIpv4?: boolean
  readonly useIpv6?: boolean
}

const PAYLOAD_TYPES = { PCMU: 0, PCMA: 8 } as const
const FRAME_SAMPLES = 160
const FRAME_MS = 20
/** Whole periods of every whole frequency. */
const LOOP_MS = 1_000

/** The media of one WebRTC call with G.711: werift, an implementation that shares nothing with the gateway. */
export class SelftestAudio {
  readonly #connection: RTCPeerConnection
  readonly #track = new MediaStreamTrack({ kind: 'audio' })
  readonly #options: SelftestAudioOptions
  readonly #heard: Float32Array[] = []
  #sender: NodeJS.Timeout | undefined
  #isSending = true
  #isAnswered = false

  constructor(options: SelftestAudioOptions) {
    this.#options = options
    const codecs = options.codecs ?? ['PCMU', 'PCMA']
    this.#connection = new RTCPeerConnection({
      iceServers: [],
      iceUseIpv4: options.useIpv4 ?? true,
      iceUseIpv6: options.useIpv6 ?? true,
      bundlePolicy: 'max-bundle',
      codecs: {
        audio: codecs.map(
          (codec) =>
            new RTCRtpCodecParameters({
              mimeType: `audio/${codec}`,
              clockRate: 8000,
              channels: 1,
              payloadType: PAYLOAD_TYPES[codec],
            }),
        ),
      },
    })
    this.#connection.onTrack.subscribe((track) => {
      track.onReceiveRtp.subscribe(({ header, payload }) => {
        if (header.payloadType === PAYLOAD_TYPES.PCMU) this.#heard.push(decodeG711('PCMU', payload))
        if (header.payloadType === PAYLOAD_TYPES.PCMA) this.#heard.push(decodeG711('PCMA', payload))
      })
    })
    this.#connection.connectionStateChange.subscribe((state) => {
      if (state === 'connected') this.#startTone()
    })
  }

  get connectionState(): string {
    return this.#connection.connectionState
  }

  /** The far end's answer has been taken. */
  get isAnswered(): boolean {
    return this.#isAnswered
  }

  /** A connectivity check of ours was answered. */
  get isChecked(): boolean {
    return ['connected', 'completed'].includes(this.#connection.iceConnectionState)
  }

  /** G.711 heard so far, 8 kHz, in order of arrival. */
  get heard(): Float32Array {
    const whole = new Float32Array(this.#heard.reduce((length, frame) => length + frame.length, 0))
    let end = 0
    for (const frame of this.#heard) {
      whole.set(frame, end)
      end += frame.length
    }
    return whole
  }

  /** Our offer or answer; '' before there is one. */
  get description(): string {
    return this.#connection.localDescription?.sdp ?? ''
  }

  /** Pauses and resumes the tone, as a description of ours has promised it. */
  setSending(isSending: boolean): void {
    this.#isSending = isSending
  }

  async offer(): Promise<string> {
    this.#connection.addTransceiver(this.#track, { direction: 'sendrecv' })
    await this.#connection.setLocalDescription(await this.#connection.createOffer())
    return this.description
  }

  async accept(answer: string): Promise<void> {
    this.#isAnswered = true
    await this.#connection.setRemoteDescription({ type: 'answer', sdp: answer })
  }

  async answer(offer: string): Promise<string> {
    await this.#connection.setRemoteDescription({ type: 'offer', sdp: offer })
    this.#connection.addTrack(this.#track)
    await this.#connection.setLocalDescription(await this.#connection.createAnswer())
    return this.description
  }

  async close(): Promise<void> {
    clearInterval(this.#sender)
    await this.#connection.close()
  }

  #startTone(): void {
    if (this.#sender !== undefined) return
    const codec = this.#connection.getTransceivers()[0]?.codecs[0]?.mimeType.endsWith('PCMA')
      ? 'PCMA'
      : 'PCMU'
    const loop = encodeG711(codec, sine(8000, this.#options.toneHz, LOOP_MS))
    const startMs = performance.now()
    let frame = 0
    // A pause is no loss: numbers go on, and the time that passed shows in the timestamp (RFC 3550 §5.1).
    let sent = 0
    const send = (): void => {
      // A late timer sends what is due, so that the average rate is right.
      for (; frame * FRAME_MS <= performance.now() - startMs; frame += 1) {
        if (!this.#isSending) continue
        const at = (frame * FRAME_SAMPLES) % loop.length
        const header = new RtpHeader({
          payloadType: PAYLOAD_TYPES[codec],
          sequenceNumber: sent & 0xffff,
          timestamp: frame * FRAME_SAMPLES,
          marker: sent === 0,
        })
        sent += 1
        this.#track.writeRtp(new RtpPacket(header, Buffer.from(loop.subarray(at, at + FRAME_SAMPLES))))
      }
    }
    this.#sender = setInterval(send, FRAME_MS)
    this.#sender.unref()
  }
}
