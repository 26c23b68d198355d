import type { NumbersConfig } from '../../config/config.ts'

/** E.164 §6: country code and all. */
const MAX_DIGITS = 15

/** RFC 3966 §3: what people write between digits. Only of what is a number else: `mr.smith` keeps its dot. */
export const withoutSeparators = (text: string): string =>
  /^\+?[0-9*#][0-9*#().\- ]*$/.test(text) || /^\([0-9+][0-9().\- ]*$/.test(text)
    ? text.replace(/[().\- ]/g, '')
    : text

/**
 * What may be left of a number where somebody on the way passes over what is none: `~0900`, `++49900` and full-width digits are
 * 0900 and +49900 to many. Empty for a number that has nothing of the kind.
 */
export function lenientForms(number: string, plan: NumbersConfig): readonly string[] {
  const behind = behindServiceCode(number)
  if (behind !== undefined) {
    const international = internationalForm(behind, plan)
    const forms = international === undefined ? [behind] : [behind, international]
    return [...forms, ...lenientForms(behind, plan)]
  }
  if (/^(?:\+[1-9])?[0-9A-Za-z*#]*$/.test(number)) return []
  const bare = number.normalize('NFKC').replace(/[^0-9A-Za-z+*#]/g, '')
  const digits = bare.replace(/^\++/, '')
  const forms = bare.startsWith('+') ? [`+${digits}`, digits] : [digits]
  return [...forms, ...forms.flatMap((form) => internationalForm(form, plan) ?? [])]
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
  const { countryCode, nationalPrefix, internationalPrefix } = plan
  if (number.startsWith('+')) return e164(number.slice(1))
  if (countryCode === undefined) return undefined
  if (number.startsWith(internationalPrefix)) return e164(number.slice(internationalPrefix.length))
  if (nationalPrefix === '' || !number.startsWith(nationalPrefix)) return undefined
  const national = number.slice(nationalPrefix.length)
  return national === '' ? undefined : e164(`${countryCode}${national}`)
}

/** No country code begins with 0. */
function e164(digits: string): string | undefined {
  return /^[1-9]\d+$/.test(digits) && digits.length <= MAX_DIGITS ? `+${digits}` : undefined
}
