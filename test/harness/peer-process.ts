import { type ChildProcess, spawn } from 'node:child_process'
import { type WaitOptions, waitFor } from './wait-for.ts'

export interface PeerProcessOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** It has children of its own, which get every signal too. */
  readonly hasChildren?: boolean
  /** It reads commands from its standard input. */
  readonly hasInput?: boolean
  /** Told after each piece of output. */
  readonly onOutput?: () => void
}

/** A child process whose output is kept, and which never outlives the test process. */
export class PeerProcess {
  readonly #name: string
  readonly #child: ChildProcess
  readonly #exit: Promise<number>
  readonly #killWithUs: () => void
  readonly #hasChildren: boolean
  #output = ''
  #exitCode: number | undefined

  constructor(command: string, args: readonly string[], options: PeerProcessOptions = {}) {
    this.#name = command
    this.#hasChildren = options.hasChildren ?? false
    this.#child = spawn(command, args, {
      cwd: options.cwd,
      detached: this.#hasChildren,
      env: options.env ?? process.env,
      stdio: [options.hasInput ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    })
    const keep = (chunk: Buffer): void => {
      this.#output += chunk.toString('utf8')
      options.onOutput?.()
    }
    // It has ended.
    this.#child.stdin?.on('error', () => undefined)
    this.#child.stdout?.on('data', keep)
    this.#child.stderr?.on('data', keep)
    this.#exit = new Promise((resolve) => {
      this.#child.once('error', (error) => {
        this.#output += `\n${error.message}`
        resolve(127)
      })
      // 'close' rather than 'exit': all output has arrived then.
      this.#child.once('close', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)))
    }).then((code) => {
      this.#exitCode = Number(code)
      process.off('exit', this.#killWithUs)
      return this.#exitCode
    })
    this.#killWithUs = () => this.#signal('SIGKILL')
    process.once('exit', this.#killWithUs)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Standard output and error so far, interleaved as they came. */
  get output(): string {
    return this.#output
  }

  /** A line to its standard input. */
  type(line: string): void {
    this.#child.stdin?.write(`${line}\n`)
  }

  /** Undefined while it runs. 128 after a signal, 127 when it could not be started. */
  get exitCode(): number | undefined {
    return this.#exitCode
  }

  /** Resolves with the exit code. */
  exited(): Promise<number> {
    return this.#exit
  }

  /** Waits until `probe` finds something in the output; fails at once when the process ends before. */
  async waitForOutput<Value>(
    what: string,
    probe: (output: string) => Value | undefined | false,
    options?: WaitOptions,
  ): Promise<Value> {
    return waitFor(
      `${what} of ${this.#name}`,
      () => {
        const found = probe(this.#output)
        if ((found === undefined || found === false) && this.#exitCode !== undefined)
          throw new Error(`${this.#name} ended with ${this.#exitCode} before ${what}\n${this.#output}`)
        return found
      },
      options,
      () => this.#output,
    )
  }

  /** Sends the signal, and SIGKILL when the process has not ended `graceMs` later. May be called twice. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', graceMs = 5_000): Promise<number> {
    if (this.#exitCode !== undefined) return this.#exitCode
    this.#signal(signal)
    const timer = setTimeout(() => this.#signal('SIGKILL'), graceMs)
    const code = await this.#exit
    clearTimeout(timer)
    return code
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child
    if (!this.#hasChildren || pid === undefined) {
      this.#child.kill(signal)
      return
    }
    try {
      process.kill(-pid, signal)
    } catch {
      // All of them have ended.
    }
  }
}
