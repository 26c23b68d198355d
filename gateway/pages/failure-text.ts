import { CODES, type Code } from '../diagnosis.ts'

/** What a refused or ended request said about itself. */
export interface FailureSource {
  /** SIP status; undefined for a BYE or CANCEL. */
  readonly status: number | undefined
  readonly phrase: string
  /** Values of the `Reason` header lines as received. */
  readonly reasons: readonly string[]
}

/** One value of a `Reason` header (RFC 3326 §2). */
export interface Reason {
  readonly protocol: string
  readonly cause: number | undefined
  readonly text: string | undefined
}

const PLAIN_WORDS: Readonly<Record<number, string>> = {
  401: 'Wrong user name or password',
  403: 'Not allowed',
  404: 'No such number',
  407: 'Wrong user name or password',
  408: 'No answer',
  423: 'Registration interval refused',
  480: 'Not available',
  486: 'Busy',
  487: 'Call cancelled',
  488: 'No common audio format',
  500: 'The gateway had an internal error',
  502: 'The far end answered badly',
  503: 'Service not available',
  504: 'The far end did not answer',
  600: 'Busy',
  603: 'Declined',
}

/** What our gateway gives as the text of its reason, where status and stage alone say less. */
const CODE_WORDS: Readonly<Partial<Record<Code, string>>> = {
  'sip.bad-credentials': 'Wrong user name or password',
  'sip.barred': 'Too many wrong passwords from here; wait ten seconds',
  'upstream.foreign-domain': 'Sign in as name@domain',
  'limit.concurrent': 'All lines are busy',
  'limit.rate': 'Too many calls in a short time',
  'limit.destination': 'This number may not be called',
  'trunk.full': 'All lines are busy',
  'call.draining': 'The phone service restarts',
  'call.too-long': 'The call was too long',
  'media.silent': 'The audio connection was lost',
  'media.none-from-trunk': 'No sound from the other side',
}

/** Of either side: both are told the same code. */
const AUDIO_WORDS: Readonly<Record<string, string>> = {
  S3: 'The audio connection failed; another network may help',
  S4: 'The audio connection failed; another network may help',
  S6: 'No sound came through',
}

const isCode = (text: string | undefined): text is Code => text !== undefined && Object.hasOwn(CODES, text)

const wordsOf = (code: Code): string | undefined => {
  const { stage, status } = CODES[code]
  const words = CODE_WORDS[code]
  if (words !== undefined) return words
  if (code.startsWith('trunk.')) return 'The phone line does not work'
  // Others are overloads and defects of ours.
  return status === 480 ? AUDIO_WORDS[stage] : undefined
}

/** Q.850 16 and SIP 200 say that nothing went wrong. */
const NORMAL_CAUSES: readonly string[] = ['q.850/16', 'sip/200']

/** Splits at commas outside quotes: several reasons may share one line. */
const splitValues = (line: string): string[] => line.match(/(?:"(?:\\.|[^"\\])*"|[^,"])+/g) ?? []

const parseReason = (value: string): Reason => {
  const cause = /;\s*cause\s*=\s*(\d{1,5})/i.exec(value)?.[1]
  const text = /;\s*text\s*=\s*"((?:\\.|[^"\\])*)"/i.exec(value)?.[1]
  return {
    protocol: value.split(';', 1)[0]?.trim() ?? '',
    cause: cause === undefined ? undefined : Number(cause),
    text: text?.replace(/\\(.)/g, '$1'),
  }
}

export const parseReasons = (lines: readonly string[]): Reason[] =>
  lines.flatMap(splitValues).map(parseReason)

const causeOf = ({ protocol, cause }: Reason): string => `${protocol.toLowerCase()}/${cause}`

const isNormal = (reason: Reason): boolean => NORMAL_CAUSES.includes(causeOf(reason))

/** A phone of ours, or one at the PBX (which may say so as Q.850 26, non-selected user clearing), has the call. */
const ELSEWHERE_CAUSES: readonly string[] = ['sip/200', 'q.850/26']

export const wasTakenElsewhere = (reasons: readonly string[]): boolean =>
  parseReasons(reasons).some((reason) => ELSEWHERE_CAUSES.includes(causeOf(reason)))

const describeReason = (reason: Reason): string =>
  reason.text ?? (reason.cause === undefined ? reason.protocol : `${reason.protocol} cause ${reason.cause}`)

/**
 * One line for the person at the phone: plain words first, then the SIP status and what the `Reason` header says.
 * Undefined when nothing went wrong (a BYE or CANCEL without a reason, or with normal clearing).
 *
 * @example failureText({ status: 488, phrase: 'Not Acceptable Here', reasons: ['SIP;cause=488;text="sdp.no-common-codec"'] })
 * // 'No common audio format (488 Not Acceptable Here: sdp.no-common-codec)'
 */
export const failureText = ({ status, phrase, reasons }: FailureSource): string | undefined => {
  const abnormal = parseReasons(reasons).filter((reason) => !isNormal(reason))
  const details = abnormal.map(describeReason).join('; ')
  const code = abnormal.map(({ text }) => text).find(isCode)
  const told = code === undefined ? undefined : wordsOf(code)
  if (status === undefined) {
    if (details === '') return undefined
    return told === undefined ? `Call ended: ${details}` : `${told} (${details})`
  }
  const said = `${status} ${phrase}`.trim()
  const detail = details === '' ? said : `${said}: ${details}`
  const words = told ?? PLAIN_WORDS[status]
  return words === undefined ? detail : `${words} (${detail})`
}
