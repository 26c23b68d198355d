/** What the kernel keeps for us in a socket that many legs share, while we are held up. */
export interface ReceiveBuffer {
  readonly askedBytes: number
  /** Less where `net.core.rmem_max` is less and the process has no CAP_NET_ADMIN. */
  readonly grantedBytes: number
}

/** A tenth of a second of a thousand calls: the kernel counts a packet of G.711 with all that it needs for it, 1 KB and more. */
export const RECEIVE_BUFFER_BYTES = 4 * 2 ** 20

/** Whether a thread that is held up for moments may lose packets that the buffer asked for would have kept. */
export const isCut = ({ askedBytes, grantedBytes }: ReceiveBuffer): boolean => grantedBytes < askedBytes

/** The line for /etc/sysctl.d. */
export const receiveBufferSetting = (bytes: number): string => `net.core.rmem_max = ${bytes}`
