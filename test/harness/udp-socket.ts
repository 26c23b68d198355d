import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

/** Bound at any port of this address. */
export async function openUdpSocket(address = '127.0.0.1'): Promise<Socket> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  socket.bind(0, address)
  await once(socket, 'listening')
  return socket
}
