import { describe, expect, it } from 'vitest'
import { fingerprintMismatch } from '../../../../media/dtls/fingerprint.ts'

const COMPUTED = new Map([
  ['sha-256', 'AA:BB'],
  ['sha-512', 'CC:DD:EE'],
])
const mismatch = (...described: readonly string[]) =>
  fingerprintMismatch(
    described.map((line) => {
      const [hash = '', value = ''] = line.split(' ')
      return { hash, value }
    }),
    COMPUTED,
  )

describe('a certificate fits a description', () => {
  it.each([
    [['sha-256 AA:BB']],
    [['SHA-256 aa:bb']],
    [['sha-256 00:00', 'sha-256 AA:BB']],
    [['sha-256 00:00', 'sha-512 CC:DD:EE']],
  ])('of %s', (described) => {
    expect(mismatch(...described)).toBeUndefined()
  })
})

describe('a certificate does not fit a description', () => {
  it.each([
    ['another fingerprint', ['sha-256 AA:00'], 'sha-256 AA:00', 'sha-256 AA:BB'],
    [
      'a weaker hash alone that fits',
      ['sha-256 AA:BB', 'sha-512 00'],
      'sha-256 AA:BB or sha-512 00',
      'sha-512 CC:DD:EE',
    ],
    ['a hash that was not computed', ['sha-384 AA:BB'], 'sha-384 AA:BB', 'none'],
    ['a hash that nobody knows', ['md2 AA:BB'], 'md2 AA:BB', 'none'],
    ['no fingerprint', [], 'a fingerprint', 'none'],
  ])('of %s', (_name, described, expected, seen) => {
    expect(mismatch(...described)).toEqual({ expected, seen })
  })
})
