/** Share of the signal's energy (0..1) at `frequencyHz`, by the Goertzel recurrence. Silence gives 0. */
export const toneShare = (samples: ArrayLike<number>, sampleRateHz: number, frequencyHz: number): number => {
  const coefficient = 2 * Math.cos((2 * Math.PI * frequencyHz) / sampleRateHz)
  let previous = 0
  let beforeThat = 0
  let energy = 0
  for (let index = 0; index < samples.length; index += 1) {
    const sample = samples[index] ?? 0
    const current = sample + coefficient * previous - beforeThat
    beforeThat = previous
    previous = current
    energy += sample * sample
  }
  if (energy === 0) return 0
  const power = previous * previous + beforeThat * beforeThat - coefficient * previous * beforeThat
  return Math.min(1, (2 * power) / (samples.length * energy))
}

export interface ToneSearch {
  readonly sampleRateHz: number
  readonly frequencyHz: number
  /** Windows as short as this are judged one by one; longer ones would smear over clock drift. */
  readonly windowMs?: number
  /** Share of energy from which on a window counts as the tone. */
  readonly share?: number
  /** RMS (full scale 1) below which a window is silence, whatever its shape. */
  readonly minRms?: number
}

const rms = (samples: ArrayLike<number>): number => {
  let sum = 0
  for (let index = 0; index < samples.length; index += 1) sum += (samples[index] ?? 0) ** 2
  return Math.sqrt(sum / Math.max(1, samples.length))
}

/** How many milliseconds of `samples` (-1..1) are the tone. */
export const toneMs = (
  samples: Float32Array,
  { sampleRateHz, frequencyHz, windowMs = 40, share = 0.7, minRms = 0.005 }: ToneSearch,
): number => {
  const length = Math.round((sampleRateHz * windowMs) / 1000)
  let heardMs = 0
  for (let start = 0; start + length <= samples.length; start += length) {
    const window = samples.subarray(start, start + length)
    if (rms(window) >= minRms && toneShare(window, sampleRateHz, frequencyHz) >= share) heardMs += windowMs
  }
  return heardMs
}

/** A sine of `amplitude` (full scale 1). */
export const sine = (
  sampleRateHz: number,
  frequencyHz: number,
  durationMs: number,
  amplitude = 0.5,
): Float32Array =>
  Float32Array.from(
    { length: Math.round((sampleRateHz * durationMs) / 1000) },
    (_, index) => amplitude * Math.sin((2 * Math.PI * frequencyHz * index) / sampleRateHz),
  )
