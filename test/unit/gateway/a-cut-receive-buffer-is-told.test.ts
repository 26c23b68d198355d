import { expect, test } from 'vitest'
import { warnOfCutBuffer } from '../../../gateway/receive-buffer-warning.ts'

const ASKED = 4_194_304

function warnings(grantedBytes: number): readonly unknown[] {
  const seen: unknown[] = []
  const warn = (message: string, fields?: unknown) => void seen.push(message, fields)
  warnOfCutBuffer({ askedBytes: ASKED, grantedBytes }, { warn })
  return seen
}

test('one warning, with the line to set, when the kernel grants less than was asked', () => {
  expect(warnings(212_992)).toEqual([
    'the receive buffer for media is smaller than it should be',
    { askedBytes: ASKED, grantedBytes: 212_992, set: 'net.core.rmem_max = 4194304' },
  ])
  expect(warnings(ASKED - 1)).toHaveLength(2)
})

test('none when it grants all', () => {
  expect(warnings(ASKED)).toEqual([])
  expect(warnings(2 * ASKED)).toEqual([])
})
