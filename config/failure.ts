/** What can be wrong with the configuration. No call ever fails with these: the daemon does not start. */
const TEXTS = {
  'config.unreadable': 'config file cannot be read',
  'config.malformed': 'config file is not valid YAML or JSON',
  'config.invalid': 'configuration is wrong',
} as const

export type ConfigCode = keyof typeof TEXTS

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
    super(`${TEXTS[code]} (${source}):${lines.join('')}`)
    this.name = 'ConfigFailure'
    this.code = code
    this.source = source
    this.mistakes = mistakes
  }
}
