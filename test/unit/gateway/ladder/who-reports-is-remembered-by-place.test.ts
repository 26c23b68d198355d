import { expect, test } from 'vitest'
import { Reporters } from '../../../../gateway/ladder/reporters.ts'

test('a place that has reported is known, whatever its port, and others of the same trunk are not', () => {
  const reporters = new Reporters()
  reporters.add('trunk:carrier', '192.0.2.1:4000')
  reporters.add('trunk:carrier', undefined)
  reporters.add('trunk:carrier', '[2001:db8::1]:4000')
  expect(reporters.has('trunk:carrier', '192.0.2.1:4002')).toBe(true)
  expect(reporters.has('trunk:carrier', '[2001:db8::1]:4002')).toBe(true)
  expect(reporters.has('trunk:carrier', '192.0.2.2:4000')).toBe(false)
  expect(reporters.has('trunk:other', '192.0.2.1:4000')).toBe(false)
  expect(reporters.has('trunk:carrier', undefined)).toBe(false)
})

test('past a thousand the oldest is forgotten', () => {
  const reporters = new Reporters()
  for (let place = 0; place <= 1_000; place += 1)
    reporters.add('trunk:carrier', `10.0.${place >> 8}.${place & 255}:4000`)
  expect(reporters.has('trunk:carrier', '10.0.0.0:4000')).toBe(false)
  expect(reporters.has('trunk:carrier', '10.0.0.1:4000')).toBe(true)
  expect(reporters.has('trunk:carrier', '10.0.3.232:4000')).toBe(true)
})
