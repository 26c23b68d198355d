/** G.711 for the tests, written apart from the gateway's own so that both cannot be wrong together (ITU-T G.711). */

const decodeMuLaw = (byte: number): number => {
  const code = ~byte & 0xff
  const magnitude = ((((code & 0x0f) << 3) + 0x84) << ((code >> 4) & 7)) - 0x84
  return (code & 0x80) === 0 ? magnitude : -magnitude
}

const decodeALaw = (byte: number): number => {
  const code = byte ^ 0x55
  const segment = (code >> 4) & 7
  const mantissa = ((code & 0x0f) << 4) + 8
  const magnitude = segment === 0 ? mantissa : (mantissa + 0x100) << (segment - 1)
  return (code & 0x80) === 0 ? -magnitude : magnitude
}

export type G711 = 'PCMU' | 'PCMA'

const DECODE = {
  PCMU: Float32Array.from({ length: 256 }, (_, byte) => decodeMuLaw(byte) / 32_768),
  PCMA: Float32Array.from({ length: 256 }, (_, byte) => decodeALaw(byte) / 32_768),
} as const

/** Samples in -1..1 at 8 kHz. */
export const decodeG711 = (codec: G711, payload: Uint8Array): Float32Array => {
  const table = DECODE[codec]
  return Float32Array.from(payload, (byte) => table[byte] ?? 0)
}

/** The byte whose value is nearest: slow and plainly right. */
export const encodeG711 = (codec: G711, samples: Float32Array): Uint8Array => {
  const table = DECODE[codec]
  return Uint8Array.from(samples, (sample) => {
    let best = 0
    let bestError = Number.POSITIVE_INFINITY
    for (let byte = 0; byte < 256; byte += 1) {
      const error = Math.abs((table[byte] ?? 0) - sample)
      if (error < bestError) {
        best = byte
        bestError = error
      }
    }
    return best
  })
}
