/** What one message may hold. A message that goes past one of these is refused before anything is stored of it. */
export interface ParserLimits {
  readonly maxMessageBytes: number
  /** One header line with its folded continuation lines, or the start line. */
  readonly maxLineLength: number
  readonly maxHeaders: number
  readonly maxVias: number
  /** The Request-URI; 414 beyond. */
  readonly maxUriLength: number
}

export const DEFAULT_PARSER_LIMITS: ParserLimits = {
  maxMessageBytes: 65_536,
  maxLineLength: 8_192,
  maxHeaders: 256,
  maxVias: 64,
  maxUriLength: 2_048,
}

/** Elements that `headerValues` and the list accessors of `headers.ts` read from one header name. */
export const MAX_LIST_ELEMENTS = 64

/** Parameters of one value: an address, a Via, a URI, credentials. Feature tags (RFC 3840) are twenty at most. */
export const MAX_PARAMETERS = 32

/** Headers of one name with credentials that are looked at in a request: a client has one for each realm on its way. */
export const MAX_CREDENTIALS = 4
