import type { FailureRow } from './stage.ts'

/** What can be wrong with the configuration. The daemon never starts with it, so no call ever sees the status. */
export const CONFIG_CODES = {
  'config.unreadable': {
    stage: 'S1',
    status: 500,
    text: 'config file cannot be read',
    cause: 'a wrong path, or no permission',
    remedy: 'check the path and who may read it',
  },

  'config.malformed': {
    stage: 'S1',
    status: 500,
    text: 'config file is not valid YAML or JSON',
    cause: 'a mistake in the YAML',
    remedy: 'look at the line that is named',
  },

  'config.invalid': {
    stage: 'S1',
    status: 500,
    text: 'configuration is wrong',
    cause: 'values that do not fit',
    remedy: 'mend each key that is named',
  },
} as const satisfies Record<string, FailureRow>

export type ConfigCode = keyof typeof CONFIG_CODES

/** One wrong value. `seen` never holds a secret. */
export interface Mistake {
  /** `trunks[0].port`, or the name of an environment variable. */
  readonly key: string
  readonly expected: string
  readonly seen: string
  /** Not of the file but of the machine as it is now: it may be mended at the next start. */
  readonly isPassing?: true
}

/**
 * The one error of `config/`; the command line ends with exit status 78 (EX_CONFIG) on it, or with 1 where it may pass. Its message has one line for
 * each mistake, so that all of them can be mended at once.
 */
export class ConfigFailure extends Error {
  readonly code: ConfigCode
  /** The file, or what stands in its place. */
  readonly source: string
  readonly mistakes: readonly Mistake[]

  /** Whether another start, of the same file, may do. */
  get isPassing(): boolean {
    return this.mistakes.every(({ isPassing }) => isPassing === true)
  }

  constructor(code: ConfigCode, source: string, mistakes: readonly Mistake[]) {
    const lines = mistakes.map(({ key, expected, seen }) => `\n  ${key}: expected ${expected}, seen ${seen}`)
    super(`${CONFIG_CODES[code].text} (${source}):${lines.join('')}`)
    this.name = 'ConfigFailure'
    this.code = code
    this.source = source
    this.mistakes = mistakes
  }
}
