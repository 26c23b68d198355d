import type { Log } from '../config/logging.ts'
import { isCut, type ReceiveBuffer, receiveBufferSetting } from '../media/receive-buffer.ts'

/** One warning at start where the kernel keeps fewer packets than we asked for: those beyond are lost when we are held up. */
export function warnOfCutBuffer(buffer: ReceiveBuffer, log: Pick<Log, 'warn'>): void {
  if (!isCut(buffer)) return
  const { askedBytes, grantedBytes } = buffer
  log.warn('the receive buffer for media is smaller than it should be', {
    askedBytes,
    grantedBytes,
    set: receiveBufferSetting(askedBytes),
  })
}
