import type { Flow } from '../../sip/flow.ts'
import type { Header, NameAddr, Uri } from '../../sip/message/message.ts'
import type { Binding } from '../../sip/registration/location.ts'

/** One device that the PBX has registered at our address. `aor` is the user. */
export interface UpstreamBinding extends Binding {
  /** User part of our Contact, or of our Path, at the PBX: opaque, unguessable, and the same as long as the device is. */
  readonly token: string
  /** Service-Route of the PBX (RFC 3608). */
  readonly route: readonly string[]
  /** The last REGISTER that the PBX took, for taking it back. */
  readonly register: {
    readonly uri: Uri
    readonly from: NameAddr
    readonly to: NameAddr
    readonly credentials: readonly Header[]
  }
}

export interface UpstreamLocationLimits {
  readonly maxPerUser: number
  readonly maxPerFlow: number
  readonly max: number
}

/** Where the users of a PBX are. Pure: nothing is sent, and what has expired is the owner's to remove. */
export class UpstreamLocation {
  readonly limits: UpstreamLocationLimits
  readonly #byToken = new Map<string, UpstreamBinding>()
  /** Most recently registered last. */
  readonly #byUser = new Map<string, Set<UpstreamBinding>>()
  readonly #byFlow = new Map<string, Set<UpstreamBinding>>()

  constructor(limits: UpstreamLocationLimits) {
    this.limits = limits
  }

  get size(): number {
    return this.#byToken.size
  }

  byToken(token: string): UpstreamBinding | undefined {
    return this.#byToken.get(token)
  }

  /** Most recently registered first. */
  ofUser(user: string): readonly UpstreamBinding[] {
    return [...(this.#byUser.get(user) ?? [])].reverse()
  }

  ofFlow(flow: Flow): readonly UpstreamBinding[] {
    return [...(this.#byFlow.get(flow.id) ?? [])]
  }

  all(): IterableIterator<UpstreamBinding> {
    return this.#byToken.values()
  }

  /** Whether a device that is not there yet would have a place. */
  hasPlace(user: string, flow: Flow): boolean {
    const { maxPerUser, maxPerFlow, max } = this.limits
    return (
      this.size < max &&
      (this.#byUser.get(user)?.size ?? 0) < maxPerUser &&
      (this.#byFlow.get(flow.id)?.size ?? 0) < maxPerFlow
    )
  }

  /** In place of what had its token. */
  put(binding: UpstreamBinding): void {
    this.remove(binding.token)
    this.#byToken.set(binding.token, binding)
    link(this.#byUser, binding.aor, binding)
    link(this.#byFlow, binding.flow.id, binding)
  }

  remove(token: string): void {
    const known = this.#byToken.get(token)
    if (known === undefined) return
    this.#byToken.delete(token)
    unlink(this.#byUser, known.aor, known)
    unlink(this.#byFlow, known.flow.id, known)
  }
}

function link(index: Map<string, Set<UpstreamBinding>>, key: string, binding: UpstreamBinding): void {
  const known = index.get(key)
  if (known === undefined) index.set(key, new Set([binding]))
  else known.add(binding)
}

function unlink(index: Map<string, Set<UpstreamBinding>>, key: string, binding: UpstreamBinding): void {
  const known = index.get(key)
  known?.delete(binding)
  if (known?.size === 0) index.delete(key)
}
