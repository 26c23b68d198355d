import { Socket as DatagramSocket } from 'node:dgram'
import type { Server, Socket } from 'node:net'
import type { Log } from '../../config/logging.ts'
import { native } from '../../media/native/index.ts'

/** A socket of Node that has been bound, that listens, or that is connected. */
export type MarkableSocket = DatagramSocket | Server | Socket

/**
 * Marks sockets of Node.js with a DSCP (RFC 2474). Node has no call for it, so the addon does it by the file descriptor, and
 * that is in private fields of Node: a Node that keeps it elsewhere costs the mark, and one warning, never a call.
 * Connections that a listener accepts have its mark.
 */
export class SocketMarks {
  readonly #dscp: number
  readonly #log: Log
  readonly #counters = { marked: 0, unmarked: 0 }

  constructor(dscp: number, log: Log) {
    this.#dscp = dscp
    this.#log = log
  }

  readonly mark = (socket: MarkableSocket): void => {
    if (this.#dscp === 0) return
    try {
      native.setDscp(fileDescriptorOf(socket), this.#dscp)
      this.#counters.marked += 1
    } catch (error) {
      if (this.#counters.unmarked === 0) {
        const reason = error instanceof Error ? error.message : String(error)
        this.#log.warn('a socket is not marked, nor may others be', { dscp: this.#dscp, reason })
      }
      this.#counters.unmarked += 1
    }
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#counters }
  }
}

/** What `setDscp` refuses when it is not there. */
function fileDescriptorOf(socket: MarkableSocket): number {
  const handle = socket instanceof DatagramSocket ? datagramHandle(socket) : field(socket, '_handle')
  return Number(field(handle, 'fd'))
}

/** By its symbol: the property `_handle` of a datagram socket warns on standard error. */
function datagramHandle(socket: DatagramSocket): unknown {
  const state = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'state symbol')
  return state === undefined ? undefined : field(field(socket, state), 'handle')
}

const field = (value: unknown, name: string | symbol): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
