import { type MediaCode, MediaFailure } from './failure.ts'

const CODES: Readonly<Record<string, MediaCode>> = {
  EADDRINUSE: 'media.no-port',
  EADDRNOTAVAIL: 'media.no-port',
  EACCES: 'media.no-port',
  EINVAL: 'media.no-port',
  EMFILE: 'media.system-limit',
  ENFILE: 'media.system-limit',
  ENOBUFS: 'media.system-limit',
  ENOMEM: 'media.system-limit',
}

/**
 * Throws `media.no-port` where the address is to blame, `media.system-limit` where the machine has no more to give, and
 * `media.overload` where the relay is full.
 */
export function named<Made>(open: () => Made, expected: string): Made {
  try {
    return open()
  } catch (cause) {
    const seen = systemCode(cause)
    if (seen === undefined) throw cause
    throw new MediaFailure(CODES[seen] ?? 'media.overload', { expected, seen, cause })
  }
}

function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
