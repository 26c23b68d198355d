import type { WireMessage } from './wire-message.ts'

interface Section {
  readonly media: string
  readonly port: number
  readonly mid: string | undefined
  readonly direction: string
}

const DIRECTION = /^a=(sendrecv|sendonly|recvonly|inactive)$/m

/** Directions an answer may have (RFC 3264 §6.1). */
const ANSWERS: Readonly<Record<string, readonly string[]>> = {
  sendrecv: ['sendrecv', 'sendonly', 'recvonly', 'inactive'],
  sendonly: ['recvonly', 'inactive'],
  recvonly: ['sendonly', 'inactive'],
  inactive: ['inactive'],
}

/** The session description that a message carries; '' for none. */
export const descriptionOf = ({ contentType, body }: WireMessage): string => {
  if (contentType.startsWith('application/sdp')) return body.replaceAll('\r\n', '\n')
  if (!contentType.startsWith('multipart/')) return ''
  const part = /application\/sdp\r\n(?:[^\r\n]+\r\n)*\r\n([\s\S]*?)\r\n--/.exec(body)?.[1] ?? ''
  return part === '' ? '' : `${part.replaceAll('\r\n', '\n')}\n`
}

/** What is wrong with an answer to this offer; undefined: nothing. */
export function brokenAnswer(offer: string, answer: string): string | undefined {
  const offered = sectionsOf(offer)
  const answered = sectionsOf(answer)
  if (offered.length !== answered.length) return `${answered.length} m= lines for ${offered.length}`
  for (const [index, section] of answered.entries()) {
    const asked = offered[index]
    if (asked?.media !== section.media) return `m=${section.media} for m=${asked?.media}`
    if (asked.mid !== section.mid && section.port !== 0) return `mid ${section.mid} for ${asked.mid}`
    if (section.port === 0) continue
    if (!ANSWERS[asked.direction]?.includes(section.direction))
      return `${section.direction} for ${asked.direction}`
  }
  return undefined
}

/** What is wrong with a description of the same session (RFC 3264 §8); undefined: nothing. */
export function brokenRedescription(before: string, after: string): string | undefined {
  const [older, newer] = [originOf(before), originOf(after)]
  if (older.id !== newer.id) return `session ${newer.id} behind ${older.id}`
  if (newer.version === older.version)
    return before === after ? undefined : `version ${newer.version} says two things`
  if (newer.version !== older.version + 1) return `version ${newer.version} behind ${older.version}`
  return sectionsOf(after).length < sectionsOf(before).length ? 'fewer m= lines' : undefined
}

function originOf(text: string): { readonly id: string; readonly version: number } {
  const [, id = '', version = '0'] = /^o=\S+ (\S+) (\d+)/m.exec(text) ?? []
  return { id, version: Number(version) }
}

function sectionsOf(text: string): readonly Section[] {
  const [session = '', ...media] = text.split(/^(?=m=)/m)
  return media.map((section) => ({
    media: /^m=(\S+)/.exec(section)?.[1] ?? '',
    port: Number(/^m=\S+ (\d+)/.exec(section)?.[1]),
    mid: /^a=mid:(\S+)$/m.exec(section)?.[1],
    direction: (DIRECTION.exec(section) ?? DIRECTION.exec(session))?.[1] ?? 'sendrecv',
  }))
}
