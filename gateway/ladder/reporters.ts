/** A carrier has many media gateways behind one trunk, and not all are alike. */
const MAX_PLACES = 1_000

/**
 * Places whose RTCP has reported on what we send there, so that reports on nothing mean something: not all peers report. Of a
 * trunk and the address of its media; the oldest makes room.
 */
export class Reporters {
  readonly #places = new Set<string>()

  /** `remote`: address and port of the media, as in `LegStats`. */
  add(trunk: string, remote: string | undefined): void {
    const place = placeOf(trunk, remote)
    if (place === undefined || this.#places.has(place)) return
    const [oldest] = this.#places
    if (this.#places.size === MAX_PLACES && oldest !== undefined) this.#places.delete(oldest)
    this.#places.add(place)
  }

  has(trunk: string, remote: string | undefined): boolean {
    const place = placeOf(trunk, remote)
    return place !== undefined && this.#places.has(place)
  }
}

function placeOf(trunk: string, remote: string | undefined): string | undefined {
  return remote === undefined ? undefined : `${trunk} ${remote.slice(0, remote.lastIndexOf(':'))}`
}
