import { DIALLED, field, NAME, number, optional, required } from './fields.ts'
import type { Field } from './format.ts'

/** In quotes, because YAML reads +49 and 0049 as numbers. */
const NUMBER = {
  pattern: /^[A-Za-z0-9._+*#-]{1,64}$/,
  expected: 'text in quotes of letters, digits and . _ + - * # (1 to 64)',
}
const PATTERN = { pattern: /^[\x21-\x7e]{1,256}$/, expected: 'a pattern in quotes (1 to 256 characters)' }
const REPLACEMENT = {
  pattern: /^(?:[A-Za-z0-9._+*#-]|\$\d){0,64}$/,
  expected: 'text in quotes of letters, digits, . _ + - * # and $1 to $9 (up to 64)',
}

/** Fields of `users[]` about numbers. */
export const USER_NUMBERS = {
  numbers: field('Numbers that ring the user, the first being the one he shows.', 'listOf', [], {
    item: required('A number.', 'text', NUMBER),
    maxRows: 100,
  }),
  callerId: optional(
    'Number the user shows instead, or anonymous; left out: the first of numbers.',
    'text',
    NUMBER,
  ),
}

/** The fields of a row of `routes`. */
export const ROUTE: Readonly<Record<string, Field>> = {
  from: optional('The trunk whose calls this is for; left out: calls of users.', 'text', NAME),
  prefix: field(
    "Leading characters; '' matches all, one with + is compared with the international form.",
    'text',
    '',
    DIALLED,
  ),
  pattern: optional('Instead: a regular expression that the whole number fits.', 'text', PATTERN),
  strip: number('How many leading characters to remove.', 0, 0, 64),
  add: field('What to put in front then.', 'text', '', DIALLED),
  replace: optional('Instead, with a pattern: the new number, with $1 to $9.', 'text', REPLACEMENT),
  trunk: optional('Name of the trunk or group. This or users.', 'text', NAME),
  users: field('Users that ring.', 'listOf', [], {
    item: required('Name of a user.', 'text', NAME),
    maxRows: 100,
  }),
}

/** The section `numbers`. */
export const NUMBERS = {
  countryCode: optional('Country code of where users are, without +.', 'text', {
    pattern: /^[1-9]\d{0,2}$/,
    expected: 'one to three digits in quotes',
  }),
  nationalPrefix: field('What users dial before a number of their country; may be nothing.', 'text', '0', {
    pattern: /^\d{0,4}$/,
    expected: 'up to four digits in quotes',
  }),
  internationalPrefix: field('What users dial before a country code.', 'text', '00', {
    pattern: /^\d{1,5}$/,
    expected: 'one to five digits in quotes',
  }),
}
