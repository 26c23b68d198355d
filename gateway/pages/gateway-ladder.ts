import type { Code } from '../diagnosis.ts'
import { type GatewayFinding, readFindings } from './gateway-findings.ts'

/** The gateway looks at media every few seconds; more often there is nothing new. */
const POLL_MS = 3_000

/** Asks the gateway how it sees the call, while it lasts and once more when it is over. What cannot be had is not shown. */
export class GatewayLadder {
  readonly #ticket: () => string | undefined
  readonly #isCode: (code: string) => code is Code
  readonly #onFindings: (findings: readonly GatewayFinding[]) => void
  #callId: string | undefined
  #timer: number | undefined

  constructor(
    ticket: () => string | undefined,
    isCode: (code: string) => code is Code,
    onFindings: (findings: readonly GatewayFinding[]) => void,
  ) {
    this.#ticket = ticket
    this.#isCode = isCode
    this.#onFindings = onFindings
  }

  /** Follows this call from now on, whatever was followed before. */
  follow(callId: string): void {
    if (callId === this.#callId) return
    this.stop()
    this.#callId = callId
    this.#onFindings([])
    this.#timer = setInterval(() => void this.#ask(callId), POLL_MS)
  }

  /** The call is over: its end is asked for once. */
  stop(): void {
    clearInterval(this.#timer)
    if (this.#callId !== undefined) void this.#ask(this.#callId)
    this.#timer = undefined
  }

  async #ask(callId: string): Promise<void> {
    const ticket = this.#ticket()
    if (ticket === undefined) return
    const url = new URL('ladder', location.origin + location.pathname)
    url.searchParams.set('call', callId)
    try {
      const response = await fetch(url, { headers: { Authorization: `Bearer ${ticket}` } })
      if (!response.ok) return
      const findings = readFindings(await response.json(), this.#isCode)
      if (callId === this.#callId) this.#onFindings(findings)
    } catch {
      // No connection, or no JSON: the page says by other means that the gateway is gone.
    }
  }
}
