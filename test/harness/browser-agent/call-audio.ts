import type { AgentAudio, AgentStats } from './agent.ts'

const FFT_SIZE = 8192

interface Meter {
  readonly context: AudioContext
  readonly analyser: AnalyserNode
}

/** What one peer connection plays, and how it is doing. */
export class CallAudio {
  readonly connection: RTCPeerConnection
  readonly #player = new Audio()
  #meter: Meter | undefined

  constructor(connection: RTCPeerConnection) {
    this.connection = connection
    connection.addEventListener('track', ({ track }) => {
      if (track.kind === 'audio') this.#play(track)
    })
  }

  /** Silence before there is a track. */
  peak(): AgentAudio {
    if (this.#meter === undefined) return { hz: 0, db: -200 }
    const { analyser, context } = this.#meter
    const bins = new Float32Array(analyser.frequencyBinCount)
    analyser.getFloatFrequencyData(bins)
    let best = 1
    for (let bin = 1; bin < bins.length; bin += 1) if ((bins[bin] ?? 0) > (bins[best] ?? 0)) best = bin
    // Digital silence is minus infinity, which JSON does not have.
    return { hz: (best * context.sampleRate) / FFT_SIZE, db: Math.max(-200, bins[best] ?? -200) }
  }

  async stats(): Promise<AgentStats> {
    const report: Record<string, unknown>[] = []
    for (const entry of (await this.connection.getStats()).values()) report.push(entry)
    const inbound = report.find((entry) => entry.type === 'inbound-rtp' && entry.kind === 'audio')
    const outbound = report.find((entry) => entry.type === 'outbound-rtp' && entry.kind === 'audio')
    const codec = report.find((entry) => entry.id === inbound?.codecId)
    return {
      packetsReceived: Number(inbound?.packetsReceived ?? 0),
      packetsSent: Number(outbound?.packetsSent ?? 0),
      codec: codec === undefined ? undefined : String(codec.mimeType),
      connectionState: this.connection.connectionState,
      signalingState: this.connection.signalingState,
    }
  }

  #play(track: MediaStreamTrack): void {
    const stream = new MediaStream([track])
    // Chromium decodes a remote track only while an element plays it.
    this.#player.srcObject = stream
    void this.#player.play()
    void this.#meter?.context.close()
    const context = new AudioContext()
    const analyser = new AnalyserNode(context, { fftSize: FFT_SIZE, smoothingTimeConstant: 0 })
    context.createMediaStreamSource(stream).connect(analyser)
    this.#meter = { context, analyser }
  }
}
