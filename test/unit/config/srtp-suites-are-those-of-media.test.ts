import { expect, test } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import { SRTP_SUITES } from '../../../media/parameters.ts'
import { fakeMachine } from './machine.ts'

const suitesOf = (row: string) => {
  const yaml = `domain: phone.example.com\nweb: { http: { port: 8080 } }\ntrunks: [{ name: pbx, host: h, media: sdes${row} }]`
  return loadConfig('/c.yaml', {}, fakeMachine({ '/c.yaml': yaml })).trunks[0]?.suites
}

test('a trunk may list every suite that media has, in any order', () => {
  const all = Object.keys(SRTP_SUITES).reverse()
  expect(suitesOf(`, suites: [${all.join(', ')}]`)).toEqual(all)
})

test('the default is what every PBX knows, the longer tag first', () => {
  expect(suitesOf('')).toEqual(['AES_CM_128_HMAC_SHA1_80', 'AES_CM_128_HMAC_SHA1_32'])
})

test.each(['AES_CM_256_HMAC_SHA1_80', 'NULL_HMAC_SHA1_80', 'aead_aes_128_gcm'])(
  '%s is no name of a suite here',
  (name) => {
    expect(() => suitesOf(`, suites: [${name}]`)).toThrow('trunks[0].suites[0]')
  },
)
