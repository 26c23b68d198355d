import { expect, it } from 'vitest'
import { type DigestAlgorithm, digestResponse } from '../../sip/authentication/digest-response.ts'

const MUFASA = {
  username: 'Mufasa',
  realm: 'http-auth@example.org',
  password: 'Circle of Life',
  method: 'GET',
  uri: '/dir/index.html',
  nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
  qop: { nc: '00000001', cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ' },
}

it.each<[DigestAlgorithm, string]>([
  ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
  ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
])('RFC 7616 §3.9.1, %s', (algorithm, response) => {
  expect(digestResponse({ ...MUFASA, algorithm })).toBe(response)
})

it('RFC 2069 §2.4 as corrected by its erratum, without qop', () => {
  const response = digestResponse({
    algorithm: 'MD5',
    username: 'Mufasa',
    realm: 'testrealm@host.com',
    password: 'CircleOfLife',
    method: 'GET',
    uri: '/dir/index.html',
    nonce: 'dcd98b7102dd2f0e8b11d0f600bfb0c093',
    qop: undefined,
  })
  expect(response).toBe('1949323746fe6a43ef61f9606e7febea')
})

// Erratum 4897: the response printed in the RFC is that of a draft of SHA-512/256.
it('RFC 7616 §3.9.2 as corrected by its erratum, SHA-512-256 and a name in UTF-8', () => {
  const response = digestResponse({
    algorithm: 'SHA-512-256',
    username: 'Jäsøn Doe',
    realm: 'api@example.org',
    password: 'Secret, or not?',
    method: 'GET',
    uri: '/doe.json',
    nonce: '5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK',
    qop: { nc: '00000001', cnonce: 'NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v' },
  })
  expect(response).toBe('3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5')
})
