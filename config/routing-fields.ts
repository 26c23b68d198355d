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

/** Beginnings of numbers; `+49` or `0900`. */
const BEGINNING = {
  pattern: /^[A-Za-z0-9._+*#-]{1,32}$/,
  expected: 'text in quotes of letters, digits and . _ + - * # (1 to 32)',
}
const beginnings = (doc: string, value: readonly string[]): Field =>
  field(doc, 'listOf', value, { item: required('How numbers begin.', 'text', BEGINNING), maxRows: 1_000 })

/** Satellites and numbers of no country, which toll fraud calls: they cost dollars a minute. */
const COSTLY = ['+870', '+878', '+881', '+882', '+883', '+888', '+979']

const userCalls = number('Calls that a user has placed, and not ended, at a time.', 10, 1, 20_000)
const partyLimits = (callsPerMinute: number, deny: readonly string[]) => ({
  callsPerMinute: number(
    'Calls begun in a minute, and as many messages to trunks; 0: any number.',
    callsPerMinute,
    0,
    60_000,
  ),
  maxDurationS: optional('How long a call may last; left out: calls.maxDurationS.', 'wholeNumber', {
    min: 10,
    max: 604_800,
  }),
  allow: beginnings('Only numbers that begin so may be called; empty: all.', []),
  deny: beginnings('Numbers that begin so may not be called.', deny),
})

/** The section `limits`. */
export const LIMITS = {
  user: { maxCalls: userCalls, ...partyLimits(60, COSTLY) },
  trunk: {
    maxShare: number('Percent of calls.maxCalls that calls from one trunk may be.', 75, 1, 100),
    ...partyLimits(600, []),
  },
}

const orDefault = (fields: Readonly<Record<string, Field>>): Readonly<Record<string, Field>> =>
  Object.fromEntries(
    Object.entries(fields).map(([name, row]) => [name, { ...row, default: null, nullable: true }]),
  )

/** Fields of `users[].limits` and `trunks[].limits`: what is left out is as in the section. */
export const USER_LIMITS = orDefault(LIMITS.user)
export const TRUNK_LIMITS = orDefault(LIMITS.trunk)

/** The section `emergency`. */
export const EMERGENCY = {
  numbers: field('Emergency numbers as dialled, the first for urn:service:sos too.', 'listOf', [], {
    item: required('A number.', 'text', { pattern: /^[0-9*#]{2,16}$/, expected: '2 to 16 digits in quotes' }),
    maxRows: 32,
  }),
  prefix: field('What may be dialled before them, such as 0 for an outside line.', 'text', '', {
    pattern: /^[0-9*#]{0,4}$/,
    expected: 'up to four digits in quotes',
  }),
  trunks: field('Trunks they go to, in this order.', 'listOf', [], {
    item: required('Name of a trunk or group.', 'text', NAME),
    maxRows: 16,
  }),
  callerId: optional('Number shown for users who have none: for calling back.', 'text', NUMBER),
  maxCalls: number('Emergency calls at a time, beside calls.maxCalls.', 32, 1, 1_000),
  drainTimeoutS: number('How long a stop waits for emergency calls.', 300, 0, 3_600),
}

/** Fields of `users[]` about numbers and what may be called. */
export const USER_NUMBERS = {
  numbers: field('Numbers that ring the user; the first is what others are shown.', 'listOf', [], {
    item: required('A number.', 'text', NUMBER),
    maxRows: 100,
  }),
  callerId: optional(
    'Number the user shows instead, or anonymous; left out: the first of numbers.',
    'text',
    NUMBER,
  ),
  limits: optional('Limits of this user, where they differ from limits.user.', 'mapping', {
    row: USER_LIMITS,
  }),
}
