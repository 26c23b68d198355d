import type { DtmfWay } from '../../config/trunk-profiles.ts'
import type { KeyPress } from '../../media/parameters.ts'
import { header } from '../../sip/message/headers.ts'
import type { SipRequest } from '../../sip/message/message.ts'
import type { Body } from '../../sip/user-agent.ts'
import { GatewayFailure } from '../gateway-failure.ts'

/** RFC 4733 §3.2, table 3: the number of an event is its place. */
const KEYS = '0123456789*#ABCD'
const FLASH = 16
/** Of a key whose press has no length, or one that no finger has. */
const USUAL_MS = 250
const MIN_MS = 40
const MAX_MS = 6_000

/**
 * The key that an INFO presses: `application/dtmf-relay` (`Signal=5`, `Duration=160`) or `application/dtmf` (`5`), as SIP.js,
 * JsSIP and PBXes write them; no standard has them. Undefined: another INFO. Throws `dtmf.bad-info`.
 */
export function readDtmfInfo(request: SipRequest): KeyPress | undefined {
  if (request.method !== 'INFO') return undefined
  const type = (header(request, 'Content-Type') ?? '').split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/dtmf-relay' && type !== 'application/dtmf') return undefined
  const text = request.body.toString('latin1', 0, MAX_BODY_BYTES)
  const signal =
    /^[ \t]*signal[ \t]*=[ \t]*(\S{1,2})[ \t]*$/im.exec(text)?.[1] ?? /^\s*(\S{1,2})\s*$/.exec(text)?.[1]
  const event = signal === undefined ? undefined : eventOf(signal)
  if (event === undefined) throw new GatewayFailure('dtmf.bad-info', { seen: printable(signal ?? text) })
  const duration = Number(/^[ \t]*duration[ \t]*=[ \t]*(\d{1,6})[ \t]*$/im.exec(text)?.[1] ?? USUAL_MS)
  return { event, durationMs: Math.min(Math.max(duration, MIN_MS), MAX_MS) }
}

const MAX_BODY_BYTES = 256

/** The body of an INFO that presses the key; undefined for events that are no keys. */
export function dtmfInfo(
  { event, durationMs }: KeyPress,
  way: Exclude<DtmfWay, 'rfc4733'>,
): Body | undefined {
  const signal = event === FLASH ? '!' : KEYS[event]
  if (signal === undefined) return undefined
  const duration = Math.min(Math.max(Math.round(durationMs), MIN_MS), MAX_MS)
  return way === 'info-dtmf'
    ? { contentType: 'application/dtmf', bytes: Buffer.from(signal) }
    : {
        contentType: 'application/dtmf-relay',
        bytes: Buffer.from(`Signal=${signal}\r\nDuration=${duration}\r\n`),
      }
}

/** A key, or the number of its event from 10 on; `R` and `!` are what clients write for a hook flash. */
function eventOf(signal: string): number | undefined {
  if (/^1[0-6]$/.test(signal)) return Number(signal)
  const key = signal.toUpperCase()
  if (key === 'R' || key === '!') return FLASH
  const event = key.length === 1 ? KEYS.indexOf(key) : -1
  return event < 0 ? undefined : event
}

const printable = (text: string): string => text.slice(0, 32).replace(/[^\x21-\x7e]/g, '.')
