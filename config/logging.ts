import winston from 'winston'
import type { LogConfig } from './config.ts'
import { type LogFields, renderJson, renderPretty } from './log-line.ts'
import { type LogStream, SlowReader } from './slow-reader.ts'

export type { LogFields } from './log-line.ts'
export type LogLevel = LogConfig['level']

/**
 * One line for each event, none for packets. Fields of a call are `callId`, `leg` and `trunk`. Values may be anything:
 * secrets and bytes print as such, control characters are escaped, and no value makes it throw.
 */
export interface Log {
  error(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  debug(message: string, fields?: LogFields): void
  /** A log that adds these fields to each line. */
  child(fields: LogFields): Log
}

const SEVERITY: Readonly<Record<LogLevel, number>> = { error: 0, warn: 1, info: 2, debug: 3 }
const MESSAGE = Symbol.for('message')

/** The daemon's log on `stream` (standard output). A reader that goes away (EPIPE), or does not read, costs lines, not the daemon. */
export function createLog(
  config: LogConfig,
  stream: LogStream = process.stdout,
  now: () => Date = () => new Date(),
): Log {
  if (!BROKEN_READER_HANDLED.has(stream)) {
    BROKEN_READER_HANDLED.add(stream)
    stream.on('error', () => {})
  }
  const render = config.format === 'json' ? renderJson : renderPretty
  const format = winston.format((info) => {
    info[MESSAGE] = render(now(), info.level, String(info.message), info.fields as LogFields)
    return info
  })
  const logger = winston.createLogger({
    levels: SEVERITY,
    level: config.level,
    format: format(),
    transports: [new winston.transports.Stream({ stream })],
  })
  const isWritten = (level: LogLevel) => SEVERITY[level] <= SEVERITY[config.level]
  const reader = new SlowReader(stream, (leftOut) =>
    logger.log({ level: 'warn', message: 'lines left out, nobody read them', fields: { leftOut } }),
  )
  return bind((level, message, fields) => {
    if (isWritten(level) && reader.takes(level)) logger.log({ level, message, fields })
  }, {})
}

const BROKEN_READER_HANDLED = new WeakSet<NodeJS.WritableStream>()

type Write = (level: LogLevel, message: string, fields: LogFields) => void

function bind(write: Write, bound: LogFields): Log {
  const at = (level: LogLevel) => (message: string, fields?: LogFields) =>
    write(level, message, fields === undefined ? bound : { ...bound, ...fields })
  return {
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: at('debug'),
    child: (fields) => bind(write, { ...bound, ...fields }),
  }
}
