import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'

/** The server's end of the next connection within this process: a client that does not read does not see that it was cut. */
export const nextServed = (): Promise<Socket> =>
  new Promise((resolve) => {
    const onSocket = (message: unknown): void => {
      unsubscribe('net.server.socket', onSocket)
      resolve((message as { readonly socket: Socket }).socket)
    }
    subscribe('net.server.socket', onSocket)
  })
