import { setTimeout as delay } from 'node:timers/promises'

/** Waits for something that happens outside of our control: sockets, threads, a peer. Fails after `timeoutMs`. */
export async function until(condition: () => boolean, timeoutMs = 10_000): Promise<void> {
  const endMs = performance.now() + timeoutMs
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`did not come true in ${timeoutMs} ms: ${condition}`)
    await delay(2)
  }
}
