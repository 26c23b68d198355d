import { type AudioSample, describeSample, readSample } from './audio-sample.ts'
import type { RungEvent } from './ladder.ts'

/** How often packets are counted. */
const SAMPLE_MS = 500
/** Without a packet for so many samples the audio has stopped. */
const SILENT_SAMPLES = 6

/** Follows one peer connection and tells which rung of the ladder it has come to, until `close()`. */
export class CallWatch {
  readonly #connection: RTCPeerConnection
  readonly #tell: (event: RungEvent) => void
  readonly #stop = new AbortController()
  #timer: number | undefined
  #last: AudioSample | undefined
  #withoutPackets = 0
  /** While a call is on hold no packets come, and that is as it should be. */
  isOnHold = false

  constructor(connection: RTCPeerConnection, tell: (event: RungEvent) => void) {
    this.#connection = connection
    this.#tell = tell
    const { signal } = this.#stop
    connection.addEventListener('signalingstatechange', () => this.#onSignalling(), { signal })
    connection.addEventListener('iceconnectionstatechange', () => this.#onIce(), { signal })
    connection.addEventListener('connectionstatechange', () => this.#onDtls(), { signal })
    this.#timer = setInterval(() => void this.#sample(), SAMPLE_MS)
  }

  close(): void {
    this.#stop.abort()
    clearInterval(this.#timer)
  }

  #onSignalling(): void {
    const { signalingState, currentRemoteDescription } = this.#connection
    if (signalingState === 'have-local-offer' && currentRemoteDescription === null) {
      this.#tell({ rung: 'sdp', kind: 'began', detail: 'our offer is made' })
    } else if (signalingState === 'have-remote-offer' && currentRemoteDescription === null) {
      this.#tell({ rung: 'sdp', kind: 'began', detail: 'their offer came' })
    } else if (signalingState === 'stable') {
      this.#tell({ rung: 'sdp', kind: 'reached', detail: 'offer and answer fit' })
    }
  }

  #onIce(): void {
    switch (this.#connection.iceConnectionState) {
      case 'checking':
        this.#tell({ rung: 'ice', kind: 'began', detail: 'looking for a way to the gateway' })
        break
      case 'connected':
      case 'completed':
        this.#tell({ rung: 'ice', kind: 'reached', detail: 'way to the gateway found' })
        this.#tell({ rung: 'dtls', kind: 'began', detail: 'shaking hands' })
        break
      case 'disconnected':
        this.#tell({ rung: 'ice', kind: 'lost', detail: 'the way to the gateway is interrupted' })
        break
      case 'failed':
        this.#tell({ rung: 'ice', kind: 'failed', detail: 'no way to the gateway' })
        break
      default:
    }
  }

  #onDtls(): void {
    const states = this.#connection.getSenders().map((sender) => sender.transport?.state)
    // The transports may be told of it later than the connection, which is connected when all of them are.
    const isConnected = this.#connection.connectionState === 'connected'
    if (states.includes('failed')) {
      this.#tell({ rung: 'dtls', kind: 'failed', detail: 'the handshake failed' })
    } else if (isConnected || states.includes('connected')) {
      this.#tell({ rung: 'dtls', kind: 'reached', detail: 'certificate checked, keys agreed' })
      this.#tell({ rung: 'srtp', kind: 'began', detail: 'waiting for the first packet' })
    }
  }

  async #sample(): Promise<void> {
    const report = await this.#connection.getStats()
    if (this.#stop.signal.aborted) return
    const sample = readSample(report)
    if (sample.packetsReceived > 0 || this.#last !== undefined) {
      const cipher = sample.cipher ?? 'packets decrypted'
      if (sample.packetsReceived > 0) this.#tell({ rung: 'srtp', kind: 'reached', detail: cipher })
      this.#tellMedia(sample)
    }
    this.#last = sample
  }

  #tellMedia(sample: AudioSample): void {
    const last = this.#last
    if (last === undefined || sample.packetsReceived === 0) return
    if (sample.packetsReceived > last.packetsReceived) {
      this.#withoutPackets = 0
      this.#tell({ rung: 'media', kind: 'reached', detail: describeSample(sample) })
      return
    }
    this.#withoutPackets += 1
    const seconds = Math.round((this.#withoutPackets * SAMPLE_MS) / 1_000)
    if (this.isOnHold) this.#tell({ rung: 'media', kind: 'reached', detail: 'on hold' })
    else if (this.#withoutPackets >= SILENT_SAMPLES) {
      this.#tell({ rung: 'media', kind: 'lost', detail: `no audio for ${seconds} s` })
    }
  }
}
