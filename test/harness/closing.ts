interface Closable {
  close(): Promise<void>
}

/** Of vitest's context, that which `afterEach` gives. */
interface EndedTest {
  readonly task: { readonly result?: { readonly state: string } }
}

const open: Closable[] = []
const noters: (() => Promise<void>)[] = []

/** Remembers what a test has started: `afterEach(closeAll)` ends it, the newest first, whatever became of the test. */
export const closing = <Peer extends Closable>(peer: Peer): Peer => {
  open.push(peer)
  return peer
}

/** When the test has failed, runs before anything of it is ended: vitest's `onTestFailed` comes after. It never rejects. */
export const noteIfFailed = (note: () => Promise<void>): void => {
  noters.push(note)
}

export const closeAll = async (ended?: EndedTest): Promise<void> => {
  const notes = noters.splice(0)
  if (ended?.task.result?.state === 'fail') for (const note of notes) await note()
  const failures: unknown[] = []
  for (let peer = open.pop(); peer !== undefined; peer = open.pop()) {
    // The others are closed all the same, or they were there in the next test.
    await peer.close().catch((error: unknown) => failures.push(error))
  }
  if (failures.length > 0) throw failures[0]
}
