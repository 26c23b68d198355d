/**
 * Whether a WebSocket may be opened from a page of `origin`. A missing Origin is allowed: only browsers send it, and it
 * protects only them, from pages of others that would use their network or cookies. Otherwise the page must be our own
 * (its host and port are those of `Host`) or its origin be on the list; `*` on the list allows all.
 */
export function isAllowedOrigin(
  origin: string | undefined,
  host: string | undefined,
  allowed: readonly string[],
): boolean {
  if (origin === undefined || allowed.includes('*') || allowed.includes(origin)) return true
  if (host === undefined) return false
  try {
    const page = new URL(origin)
    // The scheme is not compared: behind a proxy that ends TLS it says nothing. The default port is left out on both sides.
    return page.host !== '' && page.host === new URL(`${page.protocol}//${host}`).host
  } catch {
    return false
  }
}
