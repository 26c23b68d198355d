import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Bencoded, bdecode, bencode } from '../../harness/bencode.ts'

const { value } = fc.letrec<{ value: Bencoded }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.string({ unit: 'grapheme' }),
    fc.integer(),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.stringMatching(/^[a-z-]{1,8}$/), tie('value'), { maxKeys: 4 }),
  ),
}))

it('what was written is read, whole', () => {
  fc.assert(
    fc.property(value, (written) => {
      expect(bdecode(Buffer.from(bencode(written)))).toEqual(written)
    }),
    { numRuns: 200 },
  )
})

it('is what rtpengine writes', () => {
  expect(bdecode(Buffer.from('d6:result4:pong4:listl1:a1:bee'))).toEqual({ result: 'pong', list: ['a', 'b'] })
})

it.each(['', 'd', 'i3', '3:ab', 'i3ei4e', 'x'])('%j is no value', (text) => {
  expect(() => bdecode(Buffer.from(text))).toThrow()
})
