export interface Wav {
  readonly sampleRateHz: number
  /** First channel, -1..1. */
  readonly samples: Float32Array
}

const HEADER_BYTES = 44

/** 16-bit PCM, one channel. */
export const formatWav = (samples: Float32Array, sampleRateHz: number): Buffer => {
  const wav = Buffer.alloc(HEADER_BYTES + samples.length * 2)
  wav.write('RIFF', 0, 'latin1')
  wav.writeUInt32LE(wav.length - 8, 4)
  wav.write('WAVEfmt ', 8, 'latin1')
  wav.writeUInt32LE(16, 16)
  wav.writeUInt16LE(1, 20)
  wav.writeUInt16LE(1, 22)
  wav.writeUInt32LE(sampleRateHz, 24)
  wav.writeUInt32LE(sampleRateHz * 2, 28)
  wav.writeUInt16LE(2, 32)
  wav.writeUInt16LE(16, 34)
  wav.write('data', 36, 'latin1')
  wav.writeUInt32LE(samples.length * 2, 40)
  samples.forEach((sample, index) => {
    wav.writeInt16LE(Math.round(Math.max(-1, Math.min(1, sample)) * 32_767), HEADER_BYTES + index * 2)
  })
  return wav
}

/**
 * Reads 16-bit PCM. A file that is still being written (sizes 0 or too large in its header) gives what is there so far;
 * one without a data chunk yet gives no samples.
 */
export const parseWav = (wav: Buffer): Wav => {
  let sampleRateHz = 8000
  let channels = 1
  for (let at = 12; at + 8 <= wav.length; ) {
    const id = wav.toString('latin1', at, at + 4)
    const size = wav.readUInt32LE(at + 4)
    const start = at + 8
    if (id === 'fmt ' && start + 16 <= wav.length) {
      channels = wav.readUInt16LE(start + 2)
      sampleRateHz = wav.readUInt32LE(start + 4)
    }
    if (id === 'data') {
      const end = size === 0 || start + size > wav.length ? wav.length : start + size
      const frames = Math.floor((end - start) / (2 * channels))
      const samples = Float32Array.from(
        { length: frames },
        (_, index) => wav.readInt16LE(start + index * 2 * channels) / 32_768,
      )
      return { sampleRateHz, samples }
    }
    at = start + size + (size % 2)
  }
  return { sampleRateHz, samples: new Float32Array(0) }
}
