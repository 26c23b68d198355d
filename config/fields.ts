import type { Field, FormatName } from './format.ts'

type Parameters = Omit<Partial<Field>, 'doc' | 'format' | 'default'>

/** How the fields of the schema are written down: what each means, its format, its default. */
export const field = (doc: string, format: FormatName, value: unknown, more: Parameters = {}): Field => ({
  doc,
  format,
  default: value,
  sensitive: true,
  ...more,
})

export const number = (doc: string, value: number, min: number, max: number): Field =>
  field(doc, 'wholeNumber', value, { min, max })
export const choice = (doc: string, value: string, oneOf: readonly string[]): Field =>
  field(doc, 'choice', value, { oneOf })
export const yesNo = (doc: string, value: boolean): Field => field(doc, 'yesNo', value)
export const optional = (doc: string, format: FormatName, more: Parameters = {}): Field =>
  field(doc, format, null, { ...more, nullable: true })
export const required = (doc: string, format: FormatName, more: Parameters = {}): Field =>
  field(doc, format, null, more)

export const PATH = { pattern: /^.{1,4096}$/, expected: 'a path' }

/** A user or a trunk. */
export const NAME = { pattern: /^[A-Za-z0-9._+-]{1,64}$/, expected: 'letters, digits and . _ + - (1 to 64)' }
/** In quotes, because YAML reads +49 and 0049 as numbers. */
export const DIALLED = {
  pattern: /^[A-Za-z0-9._+*#-]{0,64}$/,
  expected: 'text in quotes of letters, digits and . _ + - * # (up to 64)',
}
