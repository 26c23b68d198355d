interface Closable {
  close(): Promise<void>
}

const open: Closable[] = []

/** Remembers what a test has started: `afterEach(closeAll)` ends it, the newest first, whatever became of the test. */
export const closing = <Peer extends Closable>(peer: Peer): Peer => {
  open.push(peer)
  return peer
}

export const closeAll = async (): Promise<void> => {
  for (let peer = open.pop(); peer !== undefined; peer = open.pop()) await peer.close()
}
