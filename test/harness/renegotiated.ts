import { once } from 'node:events'
import { connect } from 'node:tls'

/** How many of so many handshakes a server takes on a connection of TLS 1.2 that has had its own. */
export async function renegotiated(port: number, times: number): Promise<number> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, maxVersion: 'TLSv1.2' })
  await once(socket, 'secureConnect')
  const isOver = new Promise<boolean>((resolve) => {
    socket.on('error', () => resolve(false))
    socket.on('close', () => resolve(false))
  })
  let taken = 0
  while (taken < times && (await Promise.race([isOver, again(socket)]))) taken += 1
  socket.destroy()
  return taken
}

const again = (socket: ReturnType<typeof connect>): Promise<boolean> =>
  new Promise((resolve) => {
    socket.renegotiate({ rejectUnauthorized: false }, (error) => resolve(error === null))
  })
