import { expect, test } from 'vitest'
import { CODES, type Code } from '../../../../gateway/diagnosis.ts'
import { readFindings } from '../../../../gateway/pages/gateway-findings.ts'

const isCode = (code: string): code is Code => code in CODES

test('each finding has its code and whose side it is of', () => {
  const answer = {
    findings: [
      { code: 'ice.consent-lost', isOwn: true, text: 'ignored' },
      { code: 'media.none-from-trunk', isOwn: false },
      { code: 'call.too-long' },
    ],
  }
  expect(readFindings(answer, isCode)).toEqual([
    { code: 'ice.consent-lost', side: 'own' },
    { code: 'media.none-from-trunk', side: 'far' },
    { code: 'call.too-long', side: undefined },
  ])
})

test.each([
  [undefined],
  [null],
  ['text'],
  [{}],
  [{ findings: 'none' }],
  [{ findings: [null, 7, {}, { code: 8 }, { code: 'a.code-of-the-future' }] }],
])('%j has none that this page knows', (answer) => {
  expect(readFindings(answer, isCode)).toEqual([])
})
