import type { LegRoute } from '../engine.ts'
import type { LegId, NativeRoute } from '../native/boundary.ts'
import type { RelayLane } from '../relay/relay-lane.ts'
import { named } from '../system-failure.ts'

type ActiveRoute = Exclude<LegRoute, { readonly kind: 'discard' }>
type RecordHandler = Parameters<RelayLane['enter']>[1]

/** Where an octet is a tick of 8000 Hz. */
const OCTETS_PER_MS = 8

/** A leg by its number, which is one of its lane's own. */
export interface LegPlace {
  readonly lane: RelayLane
  readonly id: LegId
}

/**
 * Where what comes in on a leg goes. Legs never move: to one on another lane it goes by a visitor of the leg there, made when
 * it is first needed. It stays through a hold, so that what is under way meets it: the last packets, a key that is let go.
 */
export class LegRouting {
  readonly #leg: LegPlace
  readonly #onRecord: RecordHandler
  #visitor: LegPlace | undefined
  /** Of visitors that have gone. */
  #drops: Readonly<Record<string, number>> = {}

  /** `onRecord` hears what the leg's lane says of it, and what a visitor's lane does. */
  constructor(leg: LegPlace, onRecord: RecordHandler) {
    this.#leg = leg
    this.#onRecord = onRecord
    leg.lane.enter(leg.id, onRecord)
  }

  /** To what `target` names. Throws `media.overload` when its lane has no place for a visitor; then it leads nowhere. */
  lead(route: ActiveRoute, target: LegPlace): void {
    const { lane, id } = this.#leg
    const content = contentOf(route)
    if (target.lane === lane) {
      lane.relay.setRoute(id, { ...content, target: target.id })
      this.#dismissVisitor()
      return
    }
    if (this.#visitor?.lane !== target.lane) this.discard()
    this.#visitor ??= this.#visit(target.lane)
    target.lane.relay.setRoute(this.#visitor.id, { ...content, target: target.id })
    lane.relay.setRoute(id, { ...content, target: this.#visitor.id, relay: target.lane.relay })
  }

  /** What comes in is dropped until it is led somewhere again. */
  hold(): void {
    for (const { lane, id } of this.#visitor === undefined ? [this.#leg] : [this.#leg, this.#visitor])
      lane.relay.setRoute(id, undefined)
  }

  /** There is nobody to lead it to. */
  discard(): void {
    this.#leg.lane.relay.setRoute(this.#leg.id, undefined)
    this.#dismissVisitor()
  }

  /** The leg leaves its lane. */
  end(): void {
    this.#dismissVisitor()
    this.#leg.lane.relay.remove(this.#leg.id)
    this.#leg.lane.leave(this.#leg.id)
  }

  /** What became of the leg's packets elsewhere, by reason; the leg's own are not in it. */
  dropsElsewhere(): Readonly<Record<string, number>> {
    return this.#visitor === undefined ? this.#drops : sumOf(this.#drops, visitorDrops(this.#visitor))
  }

  #visit(lane: RelayLane): LegPlace {
    const id = named(() => lane.relay.addVisitor(), 'a place on another thread')
    lane.enter(id, this.#onRecord)
    return { lane, id }
  }

  #dismissVisitor(): void {
    if (this.#visitor === undefined) return
    const { lane, id } = this.#visitor
    this.#drops = this.dropsElsewhere()
    this.#visitor = undefined
    lane.relay.remove(id)
    lane.leave(id)
  }
}

function visitorDrops({ lane, id }: LegPlace): Readonly<Record<string, number>> {
  return lane.relay.stats(id)?.drops ?? {}
}

function contentOf(route: ActiveRoute): Omit<NativeRoute, 'target' | 'relay'> {
  if (route.kind === 'echo') return { map: route.map }
  const { map, keys, packetMs } = route
  return { map, events: keys, frameOctets: packetMs === undefined ? undefined : packetMs * OCTETS_PER_MS }
}

/** Name by name. */
export function sumOf(...records: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sum: Record<string, number> = {}
  for (const record of records) {
    for (const [name, value] of Object.entries(record)) sum[name] = (sum[name] ?? 0) + value
  }
  return sum
}
