import type { TrunkConfig } from '../../config/config.ts'
import type { ClientCredentials } from '../../sip/user-agent.ts'

/** Host part of addresses at a trunk, ours and theirs: that of the account may be another than that of the server. */
export const domainAt = ({ host, account }: Pick<TrunkConfig, 'host' | 'account'>): string =>
  account?.domain ?? host

/** What answers the challenges of each trunk, by its name: always the same object, as counts of nonces are kept by it. */
export const accountsOf = (
  trunks: readonly Pick<TrunkConfig, 'name' | 'account'>[],
): ReadonlyMap<string, ClientCredentials> =>
  new Map(
    trunks.flatMap(({ name, account }) =>
      account === undefined ? [] : [[name, { ...account, user: account.authUser ?? account.user }] as const],
    ),
  )
