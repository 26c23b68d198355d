import { inspect } from 'node:util'
import type { SecretBytes } from './parameters.ts'

/** Key material: prints as `[redacted]`, and can be wiped by its owner. */
export class KeyBytes implements SecretBytes {
  readonly #bytes: Uint8Array

  /** Keeps `bytes` itself, so that `wipe` leaves no copy. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  reveal(): Uint8Array {
    return this.#bytes
  }

  wipe(): void {
    this.#bytes.fill(0)
  }

  toString(): string {
    return '[redacted]'
  }

  toJSON(): string {
    return '[redacted]'
  }

  [inspect.custom](): string {
    return '[redacted]'
  }
}
