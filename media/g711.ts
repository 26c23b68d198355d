/** G.711 encoders for 16-bit linear samples (ITU-T G.711 tables 1a and 2a). */

const ULAW_BIAS = 0x84
const ULAW_CLIP = 32_635

export function encodeUlaw(sample: number): number {
  const sign = sample < 0 ? 0x80 : 0
  const magnitude = Math.min(Math.abs(sample), ULAW_CLIP) + ULAW_BIAS
  const exponent = 31 - Math.clz32(magnitude) - 7
  const mantissa = (magnitude >> (exponent + 3)) & 0x0f
  return ~(sign | (exponent << 4) | mantissa) & 0xff
}

export function encodeAlaw(sample: number): number {
  // Negative values count down from -1, so that -1..-16 is the mirror of 0..15.
  const magnitude = Math.min(sample < 0 ? -sample - 1 : sample, 32_767)
  const exponent = Math.max(0, 31 - Math.clz32(magnitude | 1) - 7)
  const mantissa = (magnitude >> (exponent === 0 ? 4 : exponent + 3)) & 0x0f
  const sign = sample < 0 ? 0 : 0x80
  return (sign | (exponent << 4) | mantissa) ^ 0x55
}
