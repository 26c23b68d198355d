import type { NumbersConfig } from '../../config/config.ts'

/** E.164 §6: country code and all. */
const MAX_DIGITS = 15

/** RFC 3966 §3: what people write between digits. Only of what is a number else: `mr.smith` keeps its dot. */
export const withoutSeparators = (text: string): string =>
  /^\+?[0-9*#][0-9*#().\- ]*$/.test(text) || /^\([0-9+][0-9().\- ]*$/.test(text)
    ? text.replace(/[().\- ]/g, '')
    : text

/**
 * What else somebody on the way may read in a number: `~0900`, `++49900`, `00+49900`, `0900#`, full-width digits, more digits than a number
 * has, or the national prefix behind a country code are 0900 and +49900 to many. Lists of denied numbers look at all of it.
 */
export function guisesOf(number: string, plan: NumbersConfig): readonly string[] {
  const behind = behindServiceCode(number)
  if (behind !== undefined) return [behind, ...internationalGuises(behind, plan), ...guisesOf(behind, plan)]
  if (PLAIN.test(number)) return internationalGuises(number, plan)
  const bare = number.normalize('NFKC').replace(/[^0-9A-Za-z+*#]/g, '')
  // A dialled name is no number.
  if (!/^[0-9+*#]/.test(bare)) return []
  const [leading = ''] = /^\+*\d*/.exec(bare) ?? []
  const digits = bare.replace(/(?!^)\+|[^0-9+]/g, '')
  const forms = [bare, leading, digits].flatMap((text) => {
    const behindPlus = text.replace(/^\++/, '')
    return text === behindPlus ? [text] : [`+${behindPlus}`, behindPlus]
  })
  return forms
    .filter((form) => form !== '' && form !== '+')
    .flatMap((form) => [form, ...internationalGuises(form, plan)])
}

/** Without anything to pass over; how long it is, is looked at all the same. */
const PLAIN = /^(?:\+[1-9])?\d*$/

/**
 * What a number may be that a trunk has written: `4930123` is +4930123 to many of them. Where it begins with another country's code it
 * must be longer than numbers without one.
 */
export function guisesByTrunk(number: string, plan: NumbersConfig): readonly string[] {
  const { countryCode } = plan
  const isOwn =
    countryCode !== undefined && number.startsWith(countryCode) && number.length >= countryCode.length + 6
  if (!/^[1-9]\d*$/.test(number) || !(isOwn || number.length >= LONGER_THAN_NATIONAL)) return []
  return internationalGuises(`+${number}`, plan)
}

const LONGER_THAN_NATIONAL = 11

/** Cut to what a number may have; and without the national prefix, which `+49(0)30` has behind its country code. */
function internationalGuises(number: string, plan: NumbersConfig): readonly string[] {
  const digits = internationalDigits(number, plan)?.slice(0, MAX_DIGITS)
  const form = digits === undefined ? undefined : e164(digits)
  if (form === undefined) return []
  const { countryCode, nationalPrefix } = plan
  const doubled = `+${countryCode}${nationalPrefix}`
  const isDoubled = countryCode !== undefined && nationalPrefix !== '' && form.startsWith(doubled)
  return isDoubled ? [form, `+${countryCode}${form.slice(doubled.length)}`] : [form]
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
