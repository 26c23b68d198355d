import { expect, test } from 'vitest'
import { native, opensslMismatch } from '../../../../media/native/index.ts'

test('patch releases of OpenSSL fit, another minor or major does not', () => {
  expect(opensslMismatch({ built: 0x30000000, running: 0x30000130 })).toBeUndefined()
  expect(opensslMismatch({ built: 0x30000000, running: 0x30500010 })).toMatch(/OpenSSL 3\.0 .* 3\.5/)
  expect(opensslMismatch({ built: 0x30000000, running: 0x40000000 })).toMatch(/OpenSSL 3\.0 .* 4\.0/)
})

test('the addon that is loaded fits this Node', () => {
  expect(opensslMismatch(native.openssl)).toBeUndefined()
  expect(process.versions.openssl.startsWith(`${native.openssl.running >>> 28}.`)).toBe(true)
})
