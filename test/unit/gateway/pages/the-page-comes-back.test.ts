import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { deviceInstance } from '../../../../gateway/pages/device-instance.ts'
import { PathWatch } from '../../../../gateway/pages/path-watch.ts'

describe('the device of a page', () => {
  test('is one UUID for as long as the tab lives, and another one in another tab', () => {
    const tab = (): Parameters<typeof deviceInstance>[0] => {
      const kept = new Map<string, string>()
      return {
        getItem: (key) => kept.get(key) ?? null,
        setItem: (key, value) => void kept.set(key, value),
      }
    }
    const first = tab()
    const instance = deviceInstance(first)
    expect(instance).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(deviceInstance(first)).toBe(instance)
    expect(deviceInstance(tab())).not.toBe(instance)
  })
})

class Connection extends EventTarget {
  iceConnectionState = 'connected'

  become(state: string): void {
    this.iceConnectionState = state
    this.dispatchEvent(new Event('iceconnectionstatechange'))
  }
}

describe('the way of the audio', () => {
  let connection: Connection
  let network: EventTarget
  let restarts: number
  let refused: number
  let watch: PathWatch

  beforeEach(() => {
    vi.useFakeTimers()
    connection = new Connection()
    network = new EventTarget()
    restarts = 0
    refused = 0
    watch = new PathWatch({
      connection,
      network,
      restart: async () => {
        restarts += 1
        if (refused-- > 0) throw new Error('503 Service Unavailable')
      },
    })
  })
  afterEach(() => {
    watch.close()
    vi.useRealTimers()
  })

  test('is looked for anew when the browser is online again', async () => {
    network.dispatchEvent(new Event('online'))
    await vi.advanceTimersByTimeAsync(0)
    expect(restarts).toBe(1)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(restarts, 'once').toBe(1)
  })

  test('is looked for at once when it has failed, and after two seconds when checks stay away', async () => {
    connection.become('failed')
    await vi.advanceTimersByTimeAsync(0)
    expect(restarts).toBe(1)
    connection.become('connected')
    connection.become('disconnected')
    await vi.advanceTimersByTimeAsync(1_900)
    expect(restarts).toBe(1)
    await vi.advanceTimersByTimeAsync(200)
    expect(restarts).toBe(2)
  })

  test('is left alone when a break has mended itself', async () => {
    connection.become('disconnected')
    await vi.advanceTimersByTimeAsync(1_000)
    connection.become('connected')
    await vi.advanceTimersByTimeAsync(60_000)
    expect(restarts).toBe(0)
  })

  test('is asked for until the gateway agrees, and not for ever', async () => {
    refused = 3
    connection.become('failed')
    await vi.advanceTimersByTimeAsync(60_000)
    expect(restarts).toBe(4)
    refused = 1_000
    connection.become('failed')
    await vi.advanceTimersByTimeAsync(300_000)
    expect(restarts).toBe(4 + 15)
  })

  test('is not looked for after the call', async () => {
    connection.become('disconnected')
    watch.close()
    network.dispatchEvent(new Event('online'))
    connection.become('failed')
    await vi.advanceTimersByTimeAsync(60_000)
    expect(restarts).toBe(0)
  })
})
