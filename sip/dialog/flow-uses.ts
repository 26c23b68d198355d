import type { Flow } from '../flow.ts'
import type { Uri } from '../message/message.ts'

/**
 * What lives on the connection of a party and can go on by another one: an INVITE without a final answer, a dialog, a BYE
 * that has to be told. Which party may take it there is for the owner to prove; here the name of the party must be the same.
 */
export interface FlowUse {
  readonly party: string | undefined
  /** A dialog that was confirmed and not ended. */
  readonly isTalking: boolean
  /** A dialog whose owner goes on without the connection for as long as it takes. */
  readonly outlivesFlow: boolean
  /** Goes on by this flow. `contact`: where the device says it is now. */
  useFlow(flow: Flow, contact: Uri | undefined): void
  /** No flow came in time. */
  forsake(): void
}

/** What uses each flow. */
export class FlowUses {
  readonly #byFlow = new Map<string, Set<FlowUse>>()

  /** Flows in use. */
  get size(): number {
    return this.#byFlow.size
  }

  of(flow: Flow): readonly FlowUse[] {
    return [...(this.#byFlow.get(flow.id) ?? [])]
  }

  add(flow: Flow, use: FlowUse): void {
    const known = this.#byFlow.get(flow.id)
    if (known === undefined) this.#byFlow.set(flow.id, new Set([use]))
    else known.add(use)
  }

  remove(flow: Flow, use: FlowUse): void {
    const known = this.#byFlow.get(flow.id)
    known?.delete(use)
    if (known?.size === 0) this.#byFlow.delete(flow.id)
  }
}
