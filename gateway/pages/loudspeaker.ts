/**
 * Plays the far end of a call through an `<audio>`. Attached while its stream is still empty, an element with `autoplay` stays
 * paused for ever in Chromium: it is told to play when there is a track.
 */
export class Loudspeaker {
  readonly #element: HTMLAudioElement
  readonly #onProblem: (text: string) => void
  #stop = new AbortController()

  constructor(element: HTMLAudioElement, onProblem: (text: string) => void) {
    this.#element = element
    this.#onProblem = onProblem
  }

  start(stream: MediaStream): void {
    this.stop()
    stream.addEventListener('addtrack', () => this.#play(stream), { signal: this.#stop.signal })
    if (stream.getAudioTracks().length > 0) this.#play(stream)
  }

  stop(): void {
    this.#stop.abort()
    this.#stop = new AbortController()
    this.#element.srcObject = null
  }

  #play(stream: MediaStream): void {
    this.#element.srcObject = stream
    this.#element.play().catch((error: unknown) => {
      // Another stream took its place meanwhile, or the call ended.
      if (error instanceof Error && error.name === 'AbortError') return
      this.#onProblem('The browser does not play the call: press a key or click, then call again.')
    })
  }
}
