import { fileURLToPath } from 'node:url'

const ADDON = fileURLToPath(new URL('../../media/native/build/Release/webtrunk.node', import.meta.url))

/** Before a command: in a user namespace of its own a process has no rights over the machine, whoever starts it. */
export const WITHOUT_RIGHTS = ['unshare', '--user', '--map-root-user']

/** An expression of JavaScript that opens a relay, for processes that Node runs without our build. */
export const openRelay = ({ sharedBufferBytes = 65_536, onReady = '() => {}' } = {}): string =>
  `require(${JSON.stringify(ADDON)}).openRelay({ threadName: 'relay', maxLegs: 4, queueBytes: 65536, strayPerSecond: 10,
  strayBurst: 10, maxStraySources: 10, dscp: 0, gatherUs: 500, sharedBufferBytes: ${sharedBufferBytes}, onReady: ${onReady} })`
