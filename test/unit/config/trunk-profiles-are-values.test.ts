import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ConfigFailure } from '../../../config/failure.ts'
import { loadConfig } from '../../../config/load.ts'
import { PROFILE_NAMES, PROFILES } from '../../../config/trunk-profiles.ts'
import { native } from '../../../media/native/index.ts'
import { fakeMachine } from './machine.ts'

const pair = native.createCertificate({ commonName: 'a.example', days: 1, names: ['a.example'] })
const FILES = { '/c.pem': pair.certificatePem, '/c.key': pair.privateKeyPem }
const BASE =
  'domain: a.example\nweb: { http: { port: 80 } }\ntls: { port: 5061, certificate: c.pem, key: c.key }\n'

const trunkOf = (row: string) =>
  loadConfig(
    '/c.yaml',
    {},
    fakeMachine({ ...FILES, '/c.yaml': `${BASE}trunks: [{ name: t, host: h${row} }]` }),
  ).trunks[0]

function mistakesOf(row: string): readonly string[] {
  try {
    trunkOf(row)
    return []
  } catch (error) {
    if (!(error instanceof ConfigFailure)) throw error
    return error.mistakes.map(({ key, expected, seen }) => `${key}: ${expected}, ${seen}`)
  }
}

describe('the profile of a trunk', () => {
  it.each(PROFILE_NAMES)('%s gives every value that the trunk leaves out', (profile) => {
    expect(trunkOf(`, transport: tls, profile: ${profile}`)).toMatchObject({ profile, ...PROFILES[profile] })
  })

  it('is generic where none is named', () => {
    expect(trunkOf('')).toMatchObject({ profile: 'generic', ...PROFILES.generic })
  })

  it('gives way to each key of the trunk itself', () => {
    const own = {
      media: 'rtp',
      osrtp: 'optional',
      avpf: true,
      rtcpMux: true,
      clearKeys: true,
      suites: ['AEAD_AES_256_GCM'],
      codecs: ['PCMA'],
      dtmf: 'info-relay',
      ptimeMs: 30,
      sessionExpiresS: 600,
      passHeaders: 'none',
    }
    const row = Object.entries(own).map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
    expect(trunkOf(`, transport: tls, profile: teams, ${row.join(', ')}`)).toMatchObject(own)
  })

  it('gives way to a 0 too, which means none', () => {
    const trunk = trunkOf(', transport: tls, profile: teams, ptimeMs: 0, sessionExpiresS: 0')
    expect(trunk).toMatchObject({ ptimeMs: undefined, sessionExpiresS: undefined })
  })

  it('is a name of the list', () => {
    const names = 'generic or kamailio or asterisk or freeswitch or teams or twilio'
    expect(mistakesOf(', profile: cisco')).toEqual([`trunks[0].profile: ${names}, "cisco"`])
  })

  it.each(['teams', 'twilio'])(
    '%s sends no keys over anything but TLS, unless the trunk says so',
    (profile) => {
      expect(mistakesOf(`, profile: ${profile}`)).toEqual([
        `trunks[0].transport: tls, because ${profile} sends media keys over nothing else (or clearKeys: true), udp`,
      ])
      expect(trunkOf(`, profile: ${profile}, clearKeys: true`)?.media).toBe('sdes')
      expect(trunkOf(`, profile: ${profile}, media: rtp`)?.media).toBe('rtp')
    },
  )

  it.each([
    ['ptimeMs: 25', 'trunks[0].ptimeMs: a multiple of 10, 25'],
    ['ptimeMs: 70', 'trunks[0].ptimeMs: a whole number from 0 to 60, 70'],
    ['sessionExpiresS: 89', 'trunks[0].sessionExpiresS: at least 90 (RFC 4028), or 0, 89'],
    ['dtmf: inband', 'trunks[0].dtmf: rfc4733 or info-relay or info-dtmf, "inband"'],
    ['media: sdes, osrtp: optional', 'trunks[0].osrtp: off, because media is not rtp, optional'],
    ['osrtp: optional, suites: []', 'trunks[0].suites: at least one suite for keys in the SDP, none'],
    ['media: dtls, mediaPorts: shared', 'trunks[0].mediaPorts: per-call, because media is dtls, shared'],
    ['mediaPorts: one', 'trunks[0].mediaPorts: per-call or shared, "one"'],
    ['codecs: []', 'trunks[0].codecs: at least one codec, none'],
  ])('%s is a mistake', (row, mistake) => {
    expect(mistakesOf(`, ${row}`)).toEqual([mistake])
  })

  it('is a value: no source but its table names a kind of peer', () => {
    const names = PROFILE_NAMES.filter((name) => name !== 'generic')
    const quoted = new RegExp(`['"\`](?:${names.join('|')})['"\`]`)
    const root = join(import.meta.dirname, '../../..')
    const found = ['gateway', 'sip', 'sdp', 'media', 'config']
      .flatMap((folder) =>
        readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map(
          (file) => `${folder}/${file}`,
        ),
      )
      .filter((file) => file.endsWith('.ts') && file !== 'config/trunk-profiles.ts')
      .filter((file) => quoted.test(readFileSync(join(root, file), 'utf8')))
    expect(found).toEqual([])
  })
})
