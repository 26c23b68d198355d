import type { Flow } from '../flow.ts'
import type { NameAddr } from '../message/message.ts'
import { areEqualUris } from '../message/uri.ts'

/** One device of an address of record (AOR: here the user part), and the flow that reaches it. Its Contact is never resolved by name. */
export interface Binding {
  readonly aor: string
  readonly contact: NameAddr
  /** `+sip.instance`, usually `<urn:uuid:...>`. */
  readonly instance: string | undefined
  readonly regId: number | undefined
  readonly flow: Flow
  readonly callId: string
  readonly cseq: number
  readonly expiresAtMs: number
  /** What the client calls itself. */
  readonly userAgent?: string | undefined
}

/** Which device of its AOR a binding leads to, whatever the flow: by `+sip.instance`, else by Contact URI. */
export const deviceOf = ({ instance, contact }: Pick<Binding, 'instance' | 'contact'>): string =>
  instance ?? contact.uri.text

export interface LocationLimits {
  readonly maxBindingsPerAor: number
  readonly maxFlowsPerAor: number
  readonly maxBindings: number
}

/** How often expired bindings are swept out at most; readers never see an expired one. */
const SWEEP_MS = 1_000

/**
 * Whether two bindings of one AOR are the same device: by `+sip.instance` and `reg-id` where there is an instance, so
 * that a browser's new WebSocket replaces its old one (RFC 5626 §6), else by Contact URI (RFC 3261 §10.3).
 */
export function isSameDevice(
  a: Pick<Binding, 'contact' | 'instance' | 'regId'>,
  b: Pick<Binding, 'contact' | 'instance' | 'regId'>,
): boolean {
  if (a.instance !== undefined || b.instance !== undefined) {
    return a.instance === b.instance && a.regId === b.regId
  }
  return areEqualUris(a.contact.uri, b.contact.uri)
}

/** How many flows the bindings are on. */
export const flowsOf = (bindings: readonly Binding[]): number =>
  new Set(bindings.map(({ flow }) => flow.id)).size

/** Where users are. Pure: time is given, nothing is sent; what may be stored is the registrar's to decide. */
export class Location {
  readonly limits: LocationLimits
  readonly #byAor = new Map<string, readonly Binding[]>()
  readonly #byFlow = new Map<string, Set<Binding>>()
  #size = 0
  #nextExpiryMs = Infinity

  constructor(limits: LocationLimits) {
    this.limits = limits
  }

  /** Bindings stored, expired ones that were not swept yet included. */
  get size(): number {
    return this.#size
  }

  /** When to call `expire`; undefined while nothing is stored. */
  get deadlineMs(): number | undefined {
    if (this.#size === 0) return undefined
    return Math.ceil(this.#nextExpiryMs / SWEEP_MS) * SWEEP_MS
  }

  /** The devices of an AOR, most recently registered first. */
  bindingsOf(aor: string, nowMs: number): readonly Binding[] {
    return (this.#byAor.get(aor) ?? []).filter((binding) => binding.expiresAtMs > nowMs)
  }

  /** The devices reached by one flow. */
  bindingsByFlow(flowId: string, nowMs: number): readonly Binding[] {
    return [...(this.#byFlow.get(flowId) ?? [])].filter((binding) => binding.expiresAtMs > nowMs)
  }

  /** Every binding that has not expired, for listings. */
  *all(nowMs: number): Generator<Binding> {
    for (const bindings of this.#byAor.values()) {
      for (const binding of bindings) if (binding.expiresAtMs > nowMs) yield binding
    }
  }

  /**
   * Makes these the bindings of an AOR, instead of all it had.
   *
   * @returns false, and changes nothing, when there are more, or on more flows, than the AOR or the whole store may have
   */
  replace(aor: string, bindings: readonly Binding[]): boolean {
    const old = this.#byAor.get(aor) ?? []
    const growth = bindings.length - old.length
    if (bindings.length > this.limits.maxBindingsPerAor) return false
    if (flowsOf(bindings) > this.limits.maxFlowsPerAor) return false
    if (growth > 0 && this.#size + growth > this.limits.maxBindings) return false
    for (const binding of old) this.#unlinkFlow(binding)
    if (bindings.length === 0) this.#byAor.delete(aor)
    else this.#byAor.set(aor, bindings)
    for (const binding of bindings) this.#linkFlow(binding)
    this.#size += growth
    return true
  }

  /** The flow is gone and what it reached with it. Returns what was removed. */
  removeFlow(flowId: string): readonly Binding[] {
    const gone = [...(this.#byFlow.get(flowId) ?? [])]
    for (const aor of new Set(gone.map((binding) => binding.aor))) {
      const kept = (this.#byAor.get(aor) ?? []).filter((binding) => binding.flow.id !== flowId)
      this.replace(aor, kept)
    }
    return gone
  }

  /** Forgets what has expired and returns it. */
  expire(nowMs: number): readonly Binding[] {
    if (nowMs < this.#nextExpiryMs) return []
    this.#nextExpiryMs = Infinity
    const gone: Binding[] = []
    for (const [aor, bindings] of [...this.#byAor]) {
      const kept = bindings.filter((binding) => binding.expiresAtMs > nowMs)
      for (const { expiresAtMs } of kept) this.#nextExpiryMs = Math.min(this.#nextExpiryMs, expiresAtMs)
      if (kept.length === bindings.length) continue
      gone.push(...bindings.filter((binding) => binding.expiresAtMs <= nowMs))
      this.replace(aor, kept)
    }
    return gone
  }

  #linkFlow(binding: Binding): void {
    const known = this.#byFlow.get(binding.flow.id)
    if (known === undefined) this.#byFlow.set(binding.flow.id, new Set([binding]))
    else known.add(binding)
    this.#nextExpiryMs = Math.min(this.#nextExpiryMs, binding.expiresAtMs)
  }

  #unlinkFlow(binding: Binding): void {
    const known = this.#byFlow.get(binding.flow.id)
    known?.delete(binding)
    if (known?.size === 0) this.#byFlow.delete(binding.flow.id)
  }
}
