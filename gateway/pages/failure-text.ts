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

/** What our gateway gives as the text of its reason, where its status alone says less. */
const CODE_WORDS: Readonly<Record<string, string>> = { 'sip.bad-credentials': 'Wrong user name or password' }

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

const isNormal = (reason: Reason): boolean =>
  NORMAL_CAUSES.includes(`${reason.protocol.toLowerCase()}/${reason.cause}`)

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
  const details = parseReasons(reasons)
    .filter((reason) => !isNormal(reason))
    .map(describeReason)
    .join('; ')
  if (status === undefined) return details === '' ? undefined : `Call ended: ${details}`
  const said = `${status} ${phrase}`.trim()
  const detail = details === '' ? said : `${said}: ${details}`
  const words = CODE_WORDS[details] ?? PLAIN_WORDS[status]
  return words === undefined ? detail : `${words} (${detail})`
}
