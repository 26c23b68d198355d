import { type MediaDescription, parse } from 'sdp-transform'
import type {
  Attribute,
  Connection,
  DescriptionOrigin,
  Fmtp,
  Line,
  MediaSection,
  Rtpmap,
  SessionDescription,
} from './description.ts'
import { malformed, splitLines, tooLarge } from './lines.ts'
import { DEFAULT_SDP_LIMITS, type SdpLimits } from './session.ts'

/** RFC 8866 §9, `token`. */
const TOKEN = /^[!#-'*+\-.0-9A-Z^-~]+$/
const PROTOCOL = /^[!#-'*+\-.0-9A-Z^-~/]+$/

/**
 * Reads a body into a typed description. Syntax and limits are checked first; `sdp-transform` then reads the ordinary
 * lines (`o c rtpmap fmtp ptime maxptime rtcp`), and only those: it keeps the last of several, has no errors, and
 * some of its expressions for other lines are not linear. The rest is kept raw.
 *
 * Duplicates: a second, different `c=` in one block or `v o s` line is refused; of ordinary attributes the first one
 * counts. Raw attributes are judged by their readers. Throws `SdpFailure` and nothing else.
 */
export function parseDescription(
  body: Uint8Array,
  limits: SdpLimits = DEFAULT_SDP_LIMITS,
): SessionDescription {
  const [session = [], ...sections] = splitLines(body, limits)
  if (session[0]?.type !== 'v' || session[0].value !== '0') throw malformed('no v=0 in front')
  only(session, 'v')
  return {
    origin: readOrigin(only(session, 'o')),
    name: only(session, 's') ?? '',
    connection: readConnection(session),
    lines: otherLines(session),
    attributes: readAttributes(session),
    sections: sections.map((lines) => readSection(lines, limits)),
  }
}

/** The value of the one line of this type. */
function only(block: readonly Line[], type: string): string | undefined {
  const values = new Set(block.filter((line) => line.type === type).map((line) => line.value))
  if (values.size > 1) throw malformed(`two different ${type}= lines in one block`)
  const [value] = values
  return value
}

function readOrigin(value: string | undefined): DescriptionOrigin {
  const read = value === undefined ? undefined : parse(`o=${value}`).origin
  const family = read === undefined || read.netType !== 'IN' ? undefined : addressFamily(read.ipVer)
  if (read === undefined || family === undefined || !isWord(read.username) || !isWord(read.address)) {
    throw malformed('no readable o= line')
  }
  const sessionId = String(read.sessionId)
  const version = String(read.sessionVersion)
  if (!/^\d+$/.test(sessionId) || !/^\d+$/.test(version)) throw malformed('no readable o= line')
  return { username: String(read.username), sessionId, version, family, address: String(read.address) }
}

function readConnection(block: readonly Line[]): Connection | undefined {
  const value = only(block, 'c')
  if (value === undefined) return undefined
  const read = parse(`c=${value}`).connection
  const family = addressFamily(read?.version)
  if (read === undefined || family === undefined || !isWord(read.ip)) throw malformed('an unreadable c= line')
  return { family, address: String(read.ip) }
}

/** What nobody here reads, in the order of RFC 8866 §9; `t r z` stay together, because an `r=` belongs to its `t=`. */
const OTHER_LINES: Readonly<Record<string, number>> = { i: 0, u: 1, e: 2, p: 3, b: 4, t: 5, r: 5, z: 5, k: 6 }

function otherLines(block: readonly Line[]): Line[] {
  const rank = (line: Line) => OTHER_LINES[line.type]
  return block
    .filter((line) => rank(line) !== undefined)
    .sort((one, other) => (rank(one) ?? 0) - (rank(other) ?? 0))
}

function readAttributes(block: readonly Line[]): Attribute[] {
  return block.filter((line) => line.type === 'a').map((line) => readAttribute(line.value.trimEnd()))
}

function readAttribute(written: string): Attribute {
  const colon = written.indexOf(':')
  const name = colon < 0 ? written : written.slice(0, colon)
  if (!TOKEN.test(name)) throw malformed('an a= line without a name')
  return { name, value: colon < 0 ? undefined : written.slice(colon + 1) }
}

function readSection(lines: readonly Line[], limits: SdpLimits): MediaSection {
  const ordinary = new OrdinaryAttributes()
  const attributes = readAttributes(lines).filter((attribute) => !ordinary.take(attribute))
  return {
    ...readMediaLine(lines[0]?.value ?? '', limits),
    connection: readConnection(lines),
    lines: otherLines(lines),
    ...ordinary.values(),
    attributes,
  }
}

/** `m=`; read here because `sdp-transform` drops the line, and moves what follows, when it sees `4000/2`. */
function readMediaLine(value: string, limits: SdpLimits) {
  const [media = '', ports = '', protocol = '', ...formats] = value.split(' ').filter((word) => word !== '')
  const match = /^(\d{1,5})(?:\/(\d{1,5}))?$/.exec(ports)
  const port = Number(match?.[1])
  if (!TOKEN.test(media) || !PROTOCOL.test(protocol) || match === null || port > 65_535) {
    throw malformed('an unreadable m= line')
  }
  if (formats.length > limits.maxCodecs)
    throw tooLarge('formats in an m= line', limits.maxCodecs, formats.length)
  if (!formats.every((format) => TOKEN.test(format))) throw malformed('an unreadable m= line')
  const portCount = match[2] === undefined ? undefined : Number(match[2])
  return { media, port, portCount, protocol, formats }
}

const ORDINARY: ReadonlySet<string> = new Set(['rtpmap', 'fmtp', 'mid', 'ptime', 'maxptime', 'rtcp'])

/** Attributes of one kind that are read in a section: as many as there are payload types. The others are kept as they stand. */
const MAX_OF_A_KIND = 128

/** Collects the attributes of one section that `sdp-transform` reads for us. */
class OrdinaryAttributes {
  readonly #rtpmaps = new Map<number, Rtpmap>()
  readonly #fmtps = new Map<number, Fmtp>()
  /** How many of each kind there were. */
  readonly #counts = new Map<string, number>()
  #mid: string | undefined
  #ptime: number | undefined
  #maxptime: number | undefined
  #rtcp: MediaSection['rtcp']

  /** True when the attribute is ordinary, readable and the first of its kind. */
  take(attribute: Attribute): boolean {
    const { name, value } = attribute
    if (value === undefined || !ORDINARY.has(name)) return false
    const count = (this.#counts.get(name) ?? 0) + 1
    this.#counts.set(name, count)
    if (count > MAX_OF_A_KIND) return false
    switch (name) {
      case 'rtpmap':
        return this.#takeRtpmap(value)
      case 'fmtp':
        return this.#takeFmtp(value)
      case 'mid':
        if (this.#mid !== undefined || !TOKEN.test(value)) return false
        this.#mid = value
        return true
      case 'ptime':
        if (this.#ptime !== undefined) return false
        this.#ptime = positive(readMedia(name, value).ptime)
        return this.#ptime !== undefined
      case 'maxptime':
        if (this.#maxptime !== undefined) return false
        this.#maxptime = positive(readMedia(name, value).maxptime)
        return this.#maxptime !== undefined
      case 'rtcp':
        if (this.#rtcp !== undefined) return false
        this.#rtcp = readRtcp(value)
        return this.#rtcp !== undefined
      default:
        return false
    }
  }

  values() {
    return {
      mid: this.#mid,
      rtpmaps: [...this.#rtpmaps.values()],
      fmtps: [...this.#fmtps.values()],
      ptime: this.#ptime,
      maxptime: this.#maxptime,
      rtcp: this.#rtcp,
    }
  }

  #takeRtpmap(value: string): boolean {
    const read = readMedia('rtpmap', value).rtp[0]
    const payloadType = payloadNumber(read?.payload)
    const clockRateHz = positive(read?.rate)
    const channels = read?.encoding === undefined ? 1 : positive(read.encoding)
    if (read === undefined || payloadType === undefined || this.#rtpmaps.has(payloadType)) return false
    if (clockRateHz === undefined || channels === undefined || channels > 255 || !isWord(read.codec))
      return false
    this.#rtpmaps.set(payloadType, { payloadType, name: String(read.codec), clockRateHz, channels })
    return true
  }

  #takeFmtp(value: string): boolean {
    const read = readMedia('fmtp', value).fmtp[0]
    const payloadType = payloadNumber(read?.payload)
    if (read === undefined || payloadType === undefined || this.#fmtps.has(payloadType)) return false
    const format = String(read.config).trim()
    if (format === '') return false
    this.#fmtps.set(payloadType, { payloadType, format })
    return true
  }
}

const NOTHING: MediaDescription = { type: '', port: 0, protocol: '', rtp: [], fmtp: [] }

function readMedia(name: string, value: string): MediaDescription {
  const [section] = parse(`m=audio 0 RTP/AVP 0\r\na=${name}:${value}`).media
  return section ?? NOTHING
}

function readRtcp(value: string): MediaSection['rtcp'] {
  const read = readMedia('rtcp', value).rtcp
  const port = positive(read?.port)
  if (read === undefined || port === undefined || port > 65_535) return undefined
  if (read.address === undefined) return { port, connection: undefined }
  const family = addressFamily(read.ipVer)
  if (read.netType !== 'IN' || family === undefined || !isWord(read.address)) return undefined
  return { port, connection: { family, address: String(read.address) } }
}

function addressFamily(version: unknown): 4 | 6 | undefined {
  return version === 4 || version === 6 ? version : undefined
}

function payloadNumber(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= 127 ? value : undefined
}

function positive(value: unknown): number | undefined {
  const number = Number(value)
  return Number.isInteger(number) && number > 0 && number <= 0x7fffffff ? number : undefined
}

/** `sdp-transform` turns whatever looks like a number into one, and a missing word into ''. */
function isWord(value: unknown): boolean {
  return value !== undefined && value !== ''
}
