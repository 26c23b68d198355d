import type { Machine } from '../../../config/machine.ts'

/** A machine of made-up files; a path that is not among them does not exist. */
export function fakeMachine(files: Readonly<Record<string, string>>, more: Partial<Machine> = {}): Machine {
  return {
    readText: (path) => {
      const text = files[path]
      if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
      return text
    },
    isWritable: () => false,
    temporaryFolder: '/tmp',
    addresses: () => [
      { address: '127.0.0.1', isInternal: true },
      { address: '192.0.2.7', isInternal: false },
    ],
    randomBytes: (length) => Buffer.alloc(length, 7),
    isTerminal: false,
    ...more,
  }
}
