import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { isDeepStrictEqual } from 'node:util'
import type { LogFields } from '../../config/log-line.ts'
import type { Log } from '../../config/logging.ts'
import { watchFiles } from './watched-files.ts'

/** PEM: the certificate with its chain, and its key. */
export interface KeyPair {
  readonly cert: string
  readonly key: string
}

export interface CertificateFiles {
  readonly certificate: string
  readonly key: string
}

export interface CertificateWatch {
  /** Reads the files now. Never rejects. */
  reload(): Promise<void>
  close(): void
}

/** Rejects when a file cannot be read, and when the two do not fit each other. */
export async function readKeyPair(files: CertificateFiles): Promise<KeyPair> {
  const [cert, key] = await Promise.all([readFile(files.certificate, 'utf8'), readFile(files.key, 'utf8')])
  // Asked here, because a TLS context takes an empty key for none, and would then serve nobody.
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
    throw new Error('the key is that of another certificate')
  }
  // What else OpenSSL may not like: a broken chain, a key that is too short.
  createSecureContext({ cert, key })
  return { cert, key }
}

/** What is made of files that somebody renews. */
export interface Renewals<Value> {
  readonly files: readonly string[]
  /** Which they are, for the log. */
  readonly fields: LogFields
  /** Rejects when the files cannot be used. */
  readonly read: () => Promise<Value>
  /** May throw, too. */
  readonly use: (value: Value) => void
  /** What the log says of what is in use from now on. */
  readonly tell: (value: Value) => LogFields
}

/**
 * Gives a renewed certificate to `use`, without a restart. A pair that cannot be used (unreadable, half written, one file
 * renewed before the other) leaves the old one where it is; the log says so, and the next change is another try.
 */
export function watchCertificate(
  files: CertificateFiles,
  use: (pair: KeyPair) => void,
  log: Log,
  intervalMs?: number,
): CertificateWatch {
  const { certificate, key } = files
  return watchRenewals(
    {
      files: [certificate, key],
      fields: { file: certificate },
      read: () => readKeyPair(files),
      use,
      tell: ({ cert }) => {
        const { subject, validTo } = new X509Certificate(cert)
        return { subject, validTo }
      },
    },
    log,
    intervalMs,
  )
}

/** The same of any files of certificates. */
export function watchRenewals<Value>(
  { files, fields, read, use, tell }: Renewals<Value>,
  log: Log,
  intervalMs?: number,
): CertificateWatch {
  let isOpen = true
  let inUse: Value | undefined
  const load = async (): Promise<void> => {
    try {
      const value = await read()
      if (!isOpen || isDeepStrictEqual(value, inUse)) return
      use(value)
      inUse = value
      log.info('certificate loaded', { ...fields, ...tell(value) })
    } catch (error) {
      log.error('certificate not loaded, the old one stays in use', {
        ...fields,
        // The text of OpenSSL or of the file system; neither quotes the key.
        reason: error instanceof Error ? error.message : String(error),
      })
    }
  }
  // One after the other, so that the last state of the files is what stays.
  let last = Promise.resolve()
  const reload = (): Promise<void> => {
    last = last.then(load)
    return last
  }
  const stop = watchFiles(files, () => void reload(), intervalMs)
  return {
    reload,
    close: () => {
      isOpen = false
      stop()
    },
  }
}
