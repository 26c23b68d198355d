import { createPrivateKey, X509Certificate } from 'node:crypto'
import { resolve } from 'node:path'
import type { Mistake } from './failure.ts'
import { type Field, mistakesIn, rowValue } from './format.ts'
import type { Machine } from './machine.ts'
import { Secret } from './secret.ts'

/** What building the configuration out of checked settings needs. */
export interface BuildContext {
  readonly isDemo: boolean
  /** Where relative paths begin. */
  readonly base: string
  readonly machine: Machine
  readonly mistakes: Mistake[]
}

export function keyPair(certificatePath: string, keyPath: string, name: string, context: BuildContext) {
  const [certificate, key] = [resolve(context.base, certificatePath), resolve(context.base, keyPath)]
  checkKeyPair(certificate, key, name, context)
  return { certificate, key }
}

/** A certificate that does not fit its key would show itself only at the first browser. */
function checkKeyPair(certificatePath: string, keyPath: string, name: string, context: BuildContext): void {
  const certificate = readPem(
    certificatePath,
    `${name}.certificate`,
    'certificate',
    (pem) => new X509Certificate(pem),
    context,
  )
  const key = readPem(keyPath, `${name}.key`, 'key', (pem) => createPrivateKey(pem), context)
  if (certificate !== undefined && key !== undefined && !certificate.checkPrivateKey(key)) {
    context.mistakes.push({
      key: `${name}.key`,
      expected: `the private key of ${name}.certificate`,
      seen: 'that of another certificate',
    })
  }
}

export function readPem<Parsed>(
  path: string,
  key: string,
  what: 'certificate' | 'key',
  parse: (pem: string) => Parsed,
  context: BuildContext,
): Parsed | undefined {
  const pem = readNamedFile(path, key, context)
  if (pem === undefined) return undefined
  try {
    return parse(pem)
  } catch {
    context.mistakes.push({ key, expected: `a PEM ${what}`, seen: 'something else' })
    return undefined
  }
}

export function readNamedFile(
  path: string,
  key: string,
  { machine, mistakes }: BuildContext,
): string | undefined {
  try {
    return machine.readText(path)
  } catch (error) {
    mistakes.push({ key, expected: 'a readable file', seen: unreadable(path, errorCode(error)) })
    return undefined
  }
}

function unreadable(path: string, code: string): string {
  switch (code) {
    case 'ENOENT':
      return `no file ${path} (${code})`
    case 'EACCES':
      return `${path}, which this user may not read (${code})`
    default:
      return `${path}: ${code}`
  }
}

export const errorCode = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'an error'

/** The first line of a file, by the rule of `field`. */
export function secretIn(path: string, key: string, field: Field, context: BuildContext): Secret {
  const line = readNamedFile(resolve(context.base, path), key, context)?.split(/\r?\n/, 1)[0]
  if (line !== undefined) context.mistakes.push(...mistakesIn(key, line, field))
  return new Secret(line ?? '')
}

/** The password of an account: as it stands, or in a file. The cross-checks have seen to it that it is one of them. */
export function passwordOf(
  account: Readonly<Record<string, unknown>>,
  key: string,
  fields: { readonly password: Field; readonly passwordFile: Field },
  context: BuildContext,
): Secret {
  const file = rowValue(account, 'passwordFile', fields.passwordFile)
  return typeof file === 'string'
    ? secretIn(file, `${key}.passwordFile`, fields.password, context)
    : new Secret(String(rowValue(account, 'password', fields.password)))
}
