import { setTimeout as delay } from 'node:timers/promises'

/** Waits for something that happens outside of our control: sockets, threads, a peer. Fails after `timeoutMs`. */
export async function until(condition: () => boolean, timeoutMs = 10_000): Promise<void> {
  const endMs = performance.now() + timeoutMs
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`did not come true in ${timeoutMs} ms: ${condition}`)
    await delay(2)
  }
}

/** Sends until it had its effect: UDP, even on loopback, owes nothing. */
export async function repeatUntil(send: () => void, condition: () => boolean, everyMs = 30): Promise<void> {
  let nextMs = 0
  await until(() => {
    if (performance.now() >= nextMs) {
      send()
      nextMs = performance.now() + everyMs
    }
    return condition()
  })
}
