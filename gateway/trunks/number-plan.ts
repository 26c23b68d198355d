import type { NumbersConfig } from '../../config/config.ts'

/** E.164 §6: country code and all. */
const MAX_DIGITS = 15

/** RFC 3966 §3: what people write between digits. Only of what is a number else: `mr.smith` keeps its dot. */
export const withoutSeparators = (text: string): string =>
  /^\+?[0-9*#][0-9*#().\- ]*$/.test(text) || /^\([0-9+][0-9().\- ]*$/.test(text)
    ? text.replace(/[().\- ]/g, '')
    : text

/**
 * What else somebody on the way may read in a number: `~0900`, `++49900`, `00+49900`, `0900#`, `p0900123`, digits of another script, more
 * digits than a number has, the national prefix behind a country code, or no + before it, are 0900 and +49900 to many. Lists of denied
 * numbers look at all of it.
 */
export function guisesOf(number: string, plan: NumbersConfig): readonly string[] {
  const behind = behindServiceCode(number)
  if (behind !== undefined) return [behind, ...internationalGuises(behind, plan), ...guisesOf(behind, plan)]
  if (PLAIN.test(number)) return [...internationalGuises(number, plan), ...guisesWithoutPlus(number, plan)]
  const written = inAsciiDigits(number)
  const bare = written.replace(/[^0-9A-Za-z+*#]/g, '')
  const digits = bare.replace(/(?!^)\+|[^0-9+]/g, '')
  // A dialled name is no number, but may hold one.
  if (!/^[0-9+*#]/.test(bare) && digits.length < SHORTEST_HIDDEN) return []
  const [leading = ''] = /^\+*\d*/.exec(bare) ?? []
  const [behindLastPlus = ''] = /\+\d+$/.exec(bare) ?? []
  // `100&SIP/carrier/0900` is a second call to a PBX that puts it into its dial plan as it comes, `0900@elsewhere` a first.
  const pieces = written.split(/[^0-9A-Za-z+*#]+/).filter((piece) => /^[0-9+]/.test(piece))
  const forms = [bare, leading, behindLastPlus, ...pieces].flatMap(withAndWithoutPlus)
  const ofDigits = withAndWithoutPlus(digits).flatMap((form) => [form, ...internationalGuises(form, plan)])
  // Digits that stand between letters, as in a UUID, are many by chance.
  const isName = /.[A-Za-z]/.test(bare)
  return [
    ...forms.flatMap((form) => [form, ...internationalGuises(form, plan), ...guisesWithoutPlus(form, plan)]),
    ...ofDigits,
    ...(isName ? [] : guisesWithoutPlus(digits, plan)),
  ]
}

function withAndWithoutPlus(text: string): readonly string[] {
  const behindPlus = text.replace(/^\++/, '')
  if (behindPlus === '') return []
  return text === behindPlus ? [text] : [`+${behindPlus}`, behindPlus]
}

/** Without anything to pass over; how long it is, is looked at all the same. */
const PLAIN = /^(?:\+[1-9])?\d*$/

/** Names with as many digits are few. */
const SHORTEST_HIDDEN = 7

/** Those of other scripts, as keyboards there write them: full-width ones, and all others that Unicode has in rows of ten. */
export function inAsciiDigits(text: string): string {
  return text.normalize('NFKC').replace(/[^\P{Nd}0-9]/gu, (digit) => {
    const code = digit.codePointAt(0) ?? 0
    let value = 0
    while (/\p{Nd}/u.test(String.fromCodePoint(code - value - 1))) value += 1
    return String(value % 10)
  })
}

/**
 * What a number may be that a trunk has written: `4930123` is +4930123 to many of them. Where it begins with another country's code it
 * must be longer than numbers without one.
 */
export function guisesByTrunk(number: string, plan: NumbersConfig): readonly string[] {
  const { countryCode } = plan
  const isOwn =
    countryCode !== undefined && number.startsWith(countryCode) && number.length >= countryCode.length + 6
  return isOwn && /^\d+$/.test(number)
    ? internationalGuises(`+${number}`, plan)
    : guisesWithoutPlus(number, plan)
}

/**
 * Trunks that leave the + away where they write take numbers without it too. Not a number that may be national: somewhere, or by the plan
 * (`8812…` in Russia, where 8 is the national prefix), as long as it is no longer than those.
 */
function guisesWithoutPlus(number: string, plan: NumbersConfig): readonly string[] {
  if (!/^[1-9]\d*$/.test(number)) return []
  const { countryCode } = plan
  const isNational = internationalDigits(number, plan) !== undefined
  const isOwn = !isNational && countryCode !== undefined && number.startsWith(countryCode)
  return number.length >= (isOwn ? SHORTEST_OWN : LONGER_THAN_NATIONAL)
    ? internationalGuises(`+${number}`, plan)
    : []
}

/** Mobiles in Brazil and China, and numbers in Russia with their prefix, have 11 digits; satellites have 12 with their country code. */
const LONGER_THAN_NATIONAL = 12

/** With the country code: most have as many, and few of another kind begin with it. */
const SHORTEST_OWN = 11

/** Cut to what a number may have; and without the national prefix, which `+49(0)30` has behind its country code. */
function internationalGuises(number: string, plan: NumbersConfig): readonly string[] {
  const digits = (internationalDigits(number, plan) ?? digitsFromAbroad(number, plan))?.slice(0, MAX_DIGITS)
  const form = digits === undefined ? undefined : e164(digits)
  if (form === undefined) return []
  const { countryCode, nationalPrefix } = plan
  const doubled = `+${countryCode}${nationalPrefix}`
  const isDoubled = countryCode !== undefined && nationalPrefix !== '' && form.startsWith(doubled)
  return isDoubled ? [form, `+${countryCode}${form.slice(doubled.length)}`] : [form]
}

/** Where we are nobody has said, but what is dialled from there to other countries needs no more. */
function digitsFromAbroad(number: string, { internationalPrefix }: NumbersConfig): string | undefined {
  if (internationalPrefix === '' || !number.startsWith(internationalPrefix)) return undefined
  return number.slice(internationalPrefix.length)
}

/** `*31#0900` and `*670900` are calls of 0900 to networks that know such codes (3GPP TS 22.030 §6.5.2; `*67` of North America). */
function behindServiceCode(number: string): string | undefined {
  return /^(?:[*#]{1,2}\d{2,3}[*#]|\*\d{2})(.+)$/s.exec(number)?.[1]
}

/**
 * The number in international form, `+4930123`; undefined when it has none: a short number, a name, or one of another
 * country's ways of writing.
 */
export function internationalForm(number: string, plan: NumbersConfig): string | undefined {
  const digits = internationalDigits(number, plan)
  return digits === undefined ? undefined : e164(digits)
}

function internationalDigits(number: string, plan: NumbersConfig): string | undefined {
  const { countryCode, nationalPrefix, internationalPrefix } = plan
  if (number.startsWith('+')) return number.slice(1)
  if (countryCode === undefined) return undefined
  if (number.startsWith(internationalPrefix)) return number.slice(internationalPrefix.length)
  if (nationalPrefix === '' || !number.startsWith(nationalPrefix)) return undefined
  const national = number.slice(nationalPrefix.length)
  return national === '' ? undefined : `${countryCode}${national}`
}

/** No country code begins with 0. */
function e164(digits: string): string | undefined {
  return /^[1-9]\d+$/.test(digits) && digits.length <= MAX_DIGITS ? `+${digits}` : undefined
}
