/** One second of tone, four of silence for the caller; two short strokes in three seconds for the called. */
const CADENCES = {
  ringback: { strokesS: [[0, 1]], periodS: 5, hz: [425], gain: 0.06 },
  incoming: {
    strokesS: [
      [0, 0.4],
      [0.6, 1],
    ],
    periodS: 3,
    hz: [440, 480],
    gain: 0.12,
  },
} as const

export type Cadence = keyof typeof CADENCES

/** Plays one cadence at a time through the loudspeaker. Silent while the browser keeps the audio context suspended. */
export class RingTone {
  readonly #context: AudioContext
  #stop: (() => void) | undefined

  constructor(context: AudioContext) {
    this.#context = context
  }

  start(name: Cadence): void {
    this.stop()
    const { strokesS, periodS, hz, gain } = CADENCES[name]
    const volume = this.#context.createGain()
    volume.gain.value = 0
    volume.connect(this.#context.destination)
    const oscillators = hz.map((frequency) => {
      const oscillator = this.#context.createOscillator()
      oscillator.frequency.value = frequency
      oscillator.connect(volume)
      oscillator.start()
      return oscillator
    })
    const period = (): void => {
      const now = this.#context.currentTime
      for (const [from, to] of strokesS) {
        volume.gain.setTargetAtTime(gain, now + from, 0.01)
        volume.gain.setTargetAtTime(0, now + to, 0.01)
      }
    }
    period()
    const timer = setInterval(period, periodS * 1000)
    this.#stop = () => {
      clearInterval(timer)
      for (const oscillator of oscillators) oscillator.stop()
      volume.disconnect()
    }
  }

  stop(): void {
    this.#stop?.()
    this.#stop = undefined
  }
}
