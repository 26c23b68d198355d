import { expect, test } from 'vitest'
import { mediaPlaces } from '../../../gateway/daemon-log.ts'

const places = (more: object) =>
  mediaPlaces({
    addresses: ['10.0.0.2', 'fd00::2'],
    announced: [],
    threads: 1,
    webrtcPort: 10_000,
    ...more,
  } as never)

test('the ports that are bound, one for each thread', () => {
  expect(places({})).toEqual({ media: ['10.0.0.2:10000', '[fd00::2]:10000'] })
  expect(places({ addresses: ['10.0.0.2'], threads: 2 })).toEqual({
    media: ['10.0.0.2:10000', '10.0.0.2:10001'],
  })
})

test('behind a NAT also what browsers are told', () => {
  expect(places({ announced: ['198.51.100.20'] })).toEqual({
    media: ['10.0.0.2:10000', '[fd00::2]:10000'],
    mediaAnnounced: ['198.51.100.20:10000', '[fd00::2]:10000'],
  })
})

test('nothing of a port that the system picks', () => {
  expect(places({ webrtcPort: 0 })).toEqual({})
})
