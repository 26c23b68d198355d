/** Level of silence in dB below full scale; the meter's zero. */
const FLOOR_DB = -60

/**
 * Shows the level of an audio stream in a `<meter min=0 max=1>`, once per animation frame, until `stop()`.
 * The stream may still be without a track; the meter then starts with the first one.
 */
export class LevelMeter {
  readonly #element: HTMLMeterElement
  readonly #context: AudioContext
  #source: MediaStreamAudioSourceNode | undefined
  #frame = 0

  constructor(element: HTMLMeterElement, context: AudioContext) {
    this.#element = element
    this.#context = context
  }

  start(stream: MediaStream): void {
    this.stop()
    const analyser = this.#context.createAnalyser()
    analyser.fftSize = 1024
    const samples = new Float32Array(analyser.fftSize)
    const connect = (): void => {
      if (this.#source !== undefined || stream.getAudioTracks().length === 0) return
      this.#source = this.#context.createMediaStreamSource(stream)
      this.#source.connect(analyser)
    }
    const draw = (): void => {
      connect()
      analyser.getFloatTimeDomainData(samples)
      this.#element.value = levelOf(powerOf(samples))
      this.#frame = requestAnimationFrame(draw)
    }
    draw()
  }

  stop(): void {
    cancelAnimationFrame(this.#frame)
    this.#source?.disconnect()
    this.#source = undefined
    this.#element.value = 0
  }
}

/** 0 for silence .. 1 for full scale, linear in decibels. */
const levelOf = (power: number): number => {
  const db = 10 * Math.log10(power + 1e-12)
  return Math.min(1, Math.max(0, 1 - db / FLOOR_DB))
}

const powerOf = (samples: Float32Array): number => {
  let sum = 0
  for (const sample of samples) sum += sample * sample
  return sum / samples.length
}
