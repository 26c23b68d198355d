const KEYS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '0', '#'] as const

/** How many of the keys pressed last are shown. */
const SHOWN = 24

/** Twelve keys, by mouse or keyboard; what was pressed shows above them until `clear()`. */
export class KeyPad {
  readonly #pad: HTMLElement
  readonly #pressed: HTMLOutputElement
  readonly #press: (key: string) => void

  constructor(pad: HTMLElement, pressed: HTMLOutputElement, press: (key: string) => void) {
    this.#pad = pad
    this.#pressed = pressed
    this.#press = press
    for (const key of KEYS) {
      const button = document.createElement('button')
      button.type = 'button'
      button.textContent = key
      button.addEventListener('click', () => this.#onKey(key))
      pad.append(button)
    }
    pad.addEventListener('keydown', (event) => {
      // A held Enter clicks the button again and again.
      if (event.repeat && event.key === 'Enter') event.preventDefault()
    })
    document.addEventListener('keydown', ({ key, target, repeat, ctrlKey, metaKey, altKey }) => {
      if (pad.hidden || repeat || ctrlKey || metaKey || altKey || target instanceof HTMLInputElement) return
      if (KEYS.some((known) => known === key)) this.#onKey(key)
    })
  }

  clear(): void {
    this.#pressed.value = ''
  }

  #onKey(key: string): void {
    if (this.#pad.hidden) return
    this.#pressed.value = `${this.#pressed.value}${key}`.slice(-SHOWN)
    this.#press(key)
  }
}
