/** The contract between the tests and the two browser stacks that a page runs. No DOM types here: the tests read it too. */

export type AgentStack = 'jssip' | 'sipjs'

export interface AgentOptions {
  readonly stack: AgentStack
  /** `ws://localhost:8080/sip` */
  readonly server: string
  readonly domain: string
  readonly user: string
  readonly password: string
  /** SIP.js only: asks for reliable provisional responses, without which it plays no early media. JsSIP never does. */
  readonly reliable: boolean
  /** Timers of 20 s and more run ten times as fast, so that a session of 90 s is refreshed while a test waits. */
  readonly hurries: boolean
  /** UUID of the device, for its `+sip.instance`. Without it JsSIP makes one up, and SIP.js names none. */
  readonly instance?: string
}

/** What a stack tells of one call, in words that both have. */
export type AgentEventKind =
  /** A provisional response with `status`. */
  | 'progress'
  /** 2xx seen or sent. */
  | 'accepted'
  /** Never established: `status` of the refusal, or undefined when nobody refused (we cancelled, the caller gave up). */
  | 'failed'
  /** Established once and over now. */
  | 'ended'
  /** The far end changed what it sends; `cause` is `hold` or `resume`. JsSIP only. */
  | 'changed-by-peer'
  /** The far end asked us to call somebody else; followed at once. */
  | 'referred'
  /** Another call takes the place of this one; followed at once. */
  | 'replaced'

export interface AgentEvent {
  readonly kind: AgentEventKind
  readonly call: number
  readonly status?: number
  /** `Reason` header of the message behind it. */
  readonly reason?: string
  /** In the stack's own words. */
  readonly cause?: string
  readonly by?: 'us' | 'peer'
}

export interface AgentAudio {
  /** The strongest frequency of the last 170 ms. */
  readonly hz: number
  readonly db: number
}

export interface AgentStats {
  readonly packetsReceived: number
  readonly packetsSent: number
  readonly codec: string | undefined
  readonly connectionState: string
  /** `stable` unless a re-offer is under way or was left half done. */
  readonly signalingState: string
}

/** Calls are numbers, in order of their appearance, from 0. */
export interface BrowserAgentInPage {
  readonly events: readonly AgentEvent[]
  register(): Promise<void>
  unregister(): Promise<void>
  /** Returns at once; what comes of it is told by events. */
  call(target: string): number
  /** Calls that came in and were neither answered nor given up. */
  incoming(): readonly number[]
  /** Who calls: the user part. */
  peerOf(call: number): string
  answer(call: number): Promise<void>
  /** Rejects, cancels or ends, whatever the state asks for; nothing when it is over. */
  hangUp(call: number): void
  /** Resolve when the far end agreed, reject when it did not. */
  hold(call: number): Promise<void>
  resume(call: number): Promise<void>
  /** As on another network: an offer with new ICE credentials. */
  restartIce(call: number): Promise<void>
  /** REFER; resolves with the last status: of a refusal of the REFER, or the final one that NOTIFY tells. */
  transfer(call: number, target: string): Promise<number>
  /** REFER with Replaces: the far ends of both calls are joined. */
  transferTo(call: number, other: number): Promise<number>
  /** Inside the dialog. `media`: telephone-event, by the browser; `info`: INFO of application/dtmf-relay. */
  dtmf(call: number, tones: string, by: 'media' | 'info'): Promise<void>
  audio(call: number): AgentAudio
  stats(call: number): Promise<AgentStats>
}
