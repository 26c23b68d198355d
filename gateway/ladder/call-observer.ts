import type { LegName, MediaNote, MediaStageEvent } from '../../media/engine.ts'
import { keysOf } from '../../sdp/trunk-terms.ts'
import type { LegMedia } from '../calls/leg.ts'
import type { Side } from '../calls/side.ts'
import type { LegReport } from './call-report.ts'
import type { CallTrace } from './call-trace.ts'
import { redactSdp } from './redact.ts'

/** A trunk that may have keys or not counts as plain; once it has them, its ladder has their rung. */
const KINDS = { never: 'rtp', may: 'rtp', must: 'sdes', dtls: 'dtls' } as const

export const legKind = (media: LegMedia): LegReport['kind'] =>
  media.kind === 'webrtc' ? 'webrtc' : KINDS[keysOf(media)]

/** Writes what the parts of a call tell into its trace: the one place that says which event climbs which rung. */
export class CallObserver {
  readonly trace: CallTrace
  /** Whose an error is. */
  readonly #blamed = new WeakMap<object, LegName>()

  constructor(trace: CallTrace) {
    this.trace = trace
  }

  opened(name: LegName, party: string, media: LegMedia): void {
    this.trace.leg(name, party, legKind(media))
  }

  adopted({ leg, party, dialog }: Side, rungs: readonly string[]): void {
    this.trace.leg(leg.name, party, legKind(leg.media), rungs)
    if (dialog !== undefined) this.trace.dialog(dialog.callId)
    this.trace.note('adopted', { leg: leg.name }, 'from another call')
  }

  /** The party of a leg that we call has said something. */
  heard(side: Side, status: number, reason: string): void {
    this.trace.climb(side.leg.name, 'S1')
    this.trace.note('response', { leg: side.leg.name, direction: 'received' }, `${status} ${reason}`)
  }

  /** The party of a leg that we call has answered; of several users, this one. */
  answered({ leg, party, dialog }: Side): void {
    this.trace.answeredBy(leg.name, party)
    if (dialog !== undefined) this.trace.dialog(dialog.callId)
  }

  described(side: Side, direction: 'received' | 'sent', text: string): void {
    this.trace.note('sdp', { leg: side.leg.name, direction }, redactSdp(text))
  }

  agreed(side: Side, codec: string | undefined): void {
    this.trace.agreed(side.leg.name, codec)
  }

  blame(leg: LegName, error: unknown): void {
    if (typeof error === 'object' && error !== null) this.#blamed.set(error, leg)
  }

  blamed(error: unknown): LegName | undefined {
    return typeof error === 'object' && error !== null ? this.#blamed.get(error) : undefined
  }

  note(leg: LegName, { what, direction, detail }: MediaNote): void {
    this.trace.note(what, { leg, direction }, detail)
  }

  stage(leg: LegName, event: MediaStageEvent): void {
    switch (event.kind) {
      case 'ice-checked':
        this.trace.climb(leg, 'S3')
        this.trace.note(event.kind, { leg }, event.remote)
        break
      case 'dtls-started':
        this.trace.note(event.kind, { leg })
        break
      case 'dtls-connected':
        this.trace.climb(leg, 'S4')
        this.trace.note(event.kind, { leg }, event.suite)
        break
      case 'keys-ready':
        this.trace.climb(leg, 'S5')
        this.trace.note(event.kind, { leg })
        break
      case 'first-packet':
        this.trace.climb(leg, 'S6', event.direction)
        this.trace.note(event.kind, { leg, direction: event.direction }, event.remote)
        break
      default:
        event satisfies never
    }
  }
}
