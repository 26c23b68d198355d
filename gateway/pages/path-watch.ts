/** The window, or whatever else tells of something. */
export interface Source {
  addEventListener(type: string, listener: () => void, options: { readonly signal: AbortSignal }): void
}

/** A short break mends itself. */
const PATIENCE_MS = 2_000
const RETRY_MS = 2_000
/** The gateway gives a silent browser up after 30 s. */
const MAX_TRIES = 15

export interface PathWatchOptions {
  /** The peer connection. */
  readonly connection: Source & { readonly iceConnectionState: string }
  /** Where `online` is told: the window. */
  readonly network: Source
  /** An offer with new ICE credentials; rejects when it cannot be sent now, or is refused. */
  readonly restart: () => Promise<void>
}

/**
 * Finds another way for the audio of one call when its way is gone: another network, or checks that nobody answers. What is
 * told over a lost WebSocket is not heard, so it goes on trying until the offer is agreed.
 */
export class PathWatch {
  readonly #options: PathWatchOptions
  readonly #stop = new AbortController()
  #timer: ReturnType<typeof setTimeout> | undefined
  #tries = 0
  #isRestarting = false

  constructor(options: PathWatchOptions) {
    this.#options = options
    const { signal } = this.#stop
    options.network.addEventListener('online', () => this.#lost(0), { signal })
    options.connection.addEventListener('iceconnectionstatechange', () => this.#onIce(), { signal })
  }

  close(): void {
    this.#stop.abort()
    clearTimeout(this.#timer)
  }

  #onIce(): void {
    const { iceConnectionState } = this.#options.connection
    if (iceConnectionState === 'failed') this.#lost(0)
    else if (iceConnectionState === 'disconnected') this.#lost(PATIENCE_MS)
    else if (!this.#isRestarting && this.#tries === 0) clearTimeout(this.#timer)
  }

  #lost(afterMs: number): void {
    this.#tries = 0
    this.#schedule(afterMs)
  }

  #schedule(afterMs: number): void {
    clearTimeout(this.#timer)
    if (!this.#stop.signal.aborted) this.#timer = setTimeout(() => void this.#restart(), afterMs)
  }

  async #restart(): Promise<void> {
    if (this.#isRestarting) return
    this.#isRestarting = true
    this.#tries += 1
    try {
      await this.#options.restart()
      this.#tries = 0
    } catch {
      if (this.#tries < MAX_TRIES) this.#schedule(RETRY_MS)
    } finally {
      this.#isRestarting = false
    }
  }
}
