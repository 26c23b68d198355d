import { MediaFailure } from './failure.ts'

const ADDRESS_ERRORS: ReadonlySet<string> = new Set(['EADDRINUSE', 'EADDRNOTAVAIL', 'EACCES', 'EINVAL'])

/** Throws `media.no-port` where the address is to blame, `media.overload` where the machine or the relay is full. */
export function named<Made>(open: () => Made, expected: string): Made {
  try {
    return open()
  } catch (cause) {
    const seen = systemCode(cause)
    if (seen === undefined) throw cause
    throw new MediaFailure(ADDRESS_ERRORS.has(seen) ? 'media.no-port' : 'media.overload', {
      expected,
      seen,
      cause,
    })
  }
}

function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
