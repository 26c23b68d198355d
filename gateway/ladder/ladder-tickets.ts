import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Header } from '../../sip/message/message.ts'

/** Longer than a registration; each refresh brings another. */
const LIFETIME_MS = 2 * 3_600_000
const MAX_LENGTH = 1_024

/**
 * What lets a page ask for the ladder of its own calls without a password in a script: a ticket in the 200 of its REGISTER. It
 * names the user and an end, and is signed with a key that lives as long as the process.
 */
export class LadderTickets {
  readonly #key = randomBytes(32)
  readonly #nowMs: () => number

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  headerFor(user: string): Header {
    const claim = `${Buffer.from(user).toString('base64url')}.${Math.round(this.#nowMs() + LIFETIME_MS)}`
    return { name: 'X-Ladder-Ticket', value: `${claim}.${this.#sign(claim)}` }
  }

  /** Undefined: not ours, changed, or too old. */
  userOf(ticket: string): string | undefined {
    if (ticket.length > MAX_LENGTH) return undefined
    const [name = '', end = '', signature = ''] = ticket.split('.')
    const wanted = Buffer.from(this.#sign(`${name}.${end}`))
    const given = Buffer.from(signature)
    if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return undefined
    return this.#nowMs() < Number(end) ? Buffer.from(name, 'base64url').toString() : undefined
  }

  #sign(claim: string): string {
    return createHmac('sha256', this.#key).update(claim).digest('base64url')
  }
}
