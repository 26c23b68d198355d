import { expect, test } from 'vitest'
import { isLinkLocal } from '../../../config/machine.ts'

test.each([
  ['169.254.7.1', true],
  ['169.25.4.1', false],
  ['fe80::1', true],
  ['FE90::1', true],
  ['febf::1', true],
  ['fec0::1', false],
  ['fd00::fe80:1', false],
])('%s is link-local: %s', (address, is) => {
  expect(isLinkLocal(address)).toBe(is)
})
