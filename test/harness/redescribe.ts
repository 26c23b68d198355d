export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'

const DIRECTION = /^a=(sendrecv|sendonly|recvonly|inactive)\r?$/m

/** Of the first media section; `sendrecv` when nothing is said (RFC 8866 §6.7). */
export const directionOf = (description: string): Direction => {
  const media = description.slice(description.indexOf('\nm=') + 1)
  return (
    ((DIRECTION.exec(media) ??
      DIRECTION.exec(description.slice(0, description.length - media.length)))?.[1] as
      | Direction
      | undefined) ?? 'sendrecv'
  )
}

/** What an answerer says who wants all it can have (RFC 3264 §6.1). */
export const answeringDirection = (offered: Direction): Direction =>
  ({ sendrecv: 'sendrecv', sendonly: 'recvonly', recvonly: 'sendonly', inactive: 'inactive' })[
    offered
  ] as Direction

/** The value of the first `a=name:` or `a=name`. */
export const attributeOf = (description: string, name: string): string | undefined =>
  new RegExp(`^a=${name}(?::(.*?))?\\r?$`, 'm').exec(description)?.[1]

/**
 * An own description once more, as RFC 3264 §8 wants a changed one: same session, next version, one media section. Ports,
 * candidates and keys stay.
 */
export const redescribe = (
  description: string,
  changes: { readonly version: number; readonly direction: Direction; readonly setup?: string },
): string => {
  const changed = description
    .replace(/^(o=\S+ \S+) \S+/m, `$1 ${changes.version}`)
    .replace(new RegExp(DIRECTION, 'gm'), `a=${changes.direction}`)
  return changes.setup === undefined ? changed : changed.replace(/^a=setup:\w+/gm, `a=setup:${changes.setup}`)
}
