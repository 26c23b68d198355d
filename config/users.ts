import type { UserAccountConfig, UserConfig } from './config.ts'
import { rowValue } from './format.ts'
import { type BuildContext, passwordOf, secretIn } from './named-files.ts'
import { ownLimits } from './routing.ts'
import { ROWS, USER_ACCOUNT } from './schema.ts'
import { Secret } from './secret.ts'
import type { UserRow } from './settings.ts'

const HA1_ALGORITHMS = [
  ['md5', 'MD5'],
  ['sha256', 'SHA-256'],
  ['sha512256', 'SHA-512-256'],
] as const

/** The format has checked that each hash is hex. */
function hashesOf(row: Readonly<Record<string, unknown>>): NonNullable<UserConfig['ha1']> {
  const given = HA1_ALGORITHMS.flatMap(([key, algorithm]) => {
    const hash = row[key]
    return typeof hash === 'string' ? [[algorithm, new Secret(hash.toLowerCase())] as const] : []
  })
  return Object.fromEntries(given)
}

export function user(row: UserRow, key: string, context: BuildContext): UserConfig {
  const { name, password, passwordFile, numbers } = row
  const ha1 = row.ha1 === null ? undefined : hashesOf(row.ha1)
  const account = row.account === null ? undefined : accountOf(row.account, `${key}.account`, context)
  const rest = {
    name,
    ha1,
    account,
    numbers,
    callerId: row.callerId ?? undefined,
    limits: ownLimits(row.limits),
  }
  if (passwordFile === null) {
    return { ...rest, password: password === null ? undefined : new Secret(password) }
  }
  return { ...rest, password: secretIn(passwordFile, `${key}.passwordFile`, ROWS.users.password, context) }
}

function accountOf(
  account: NonNullable<UserRow['account']>,
  key: string,
  context: BuildContext,
): UserAccountConfig {
  return {
    user: String(rowValue(account, 'user', USER_ACCOUNT.user)),
    password: passwordOf(account, key, USER_ACCOUNT, context),
    md5: rowValue(account, 'md5', USER_ACCOUNT.md5) === true,
  }
}
