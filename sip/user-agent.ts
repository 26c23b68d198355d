import type { UserAgent, UserAgentOptions } from './user-agent-contract.ts'
import { UserAgentCore } from './user-agent-core.ts'

export type { ClientCredentials } from './authentication/digest-client.ts'
export type * from './user-agent-contract.ts'

/** The SIP stack without sockets and clocks: bytes and time in, bytes and calls of the handlers out. */
export const createUserAgent = (options: UserAgentOptions): UserAgent => new UserAgentCore(options)
