import { networkInterfaces } from 'node:os'

/** An IPv4 address of this machine that is not loopback (Firefox pairs with no loopback candidate); else loopback. */
export const ownAddress = (): string =>
  Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find((address) => address.family === 'IPv4' && !address.internal)?.address ?? '127.0.0.1'
