import type { Direction } from '../media/parameters.ts'
import type { AttributeBlock } from './attributes.ts'

const DIRECTIONS = ['sendrecv', 'sendonly', 'recvonly', 'inactive'] as const satisfies readonly Direction[]

/** First direction attribute of the section, else of the session, else `sendrecv` (RFC 8866 §6.7). */
export function readDirection(section: AttributeBlock, session: AttributeBlock): Direction {
  return firstDirection(section) ?? firstDirection(session) ?? 'sendrecv'
}

function firstDirection(block: AttributeBlock): Direction | undefined {
  for (const { name } of block.attributes) {
    const direction = DIRECTIONS.find((candidate) => candidate === name)
    if (direction !== undefined) return direction
  }
  return undefined
}

export function sends(direction: Direction): boolean {
  return direction === 'sendrecv' || direction === 'sendonly'
}

export function receives(direction: Direction): boolean {
  return direction === 'sendrecv' || direction === 'recvonly'
}

export function toDirection(isSending: boolean, isReceiving: boolean): Direction {
  if (isSending) return isReceiving ? 'sendrecv' : 'sendonly'
  return isReceiving ? 'recvonly' : 'inactive'
}

/** RFC 3264 §8.4: whoever writes `c=0.0.0.0` may send, and does not want to receive. */
export function withoutReceiving(direction: Direction): Direction {
  return toDirection(sends(direction), false)
}

/** What of our wish the offer allows (RFC 3264 §6.1): we send what it receives and receive what it sends. */
export function answerDirection(offered: Direction, wanted: Direction): Direction {
  return toDirection(sends(wanted) && receives(offered), receives(wanted) && sends(offered))
}
