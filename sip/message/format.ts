import { ok } from 'node:assert'
import { hasForbiddenControl, isToken } from './characters.ts'
import type { SipMessage } from './message.ts'

/**
 * Writes a message: its start line, `headers` in their order, and a Content-Length in bytes that is always right, whatever the
 * headers said of it. `headers` is what counts; `via`, `from` and the rest are the same facts, read.
 *
 * A value that could break out of its line is our own mistake and an assertion: what `parseMessage` returned never has
 * one, and display names and URIs are escaped where they are made.
 */
export function formatMessage(message: SipMessage): Buffer {
  let head =
    message.kind === 'request'
      ? `${message.method} ${message.uri.text} SIP/2.0\r\n`
      : `SIP/2.0 ${message.status} ${message.reason}\r\n`
  ok(!hasForbiddenControl(head.slice(0, -2)), 'start line with a control character')
  if (message.kind === 'request') {
    ok(isToken(message.method) && !message.uri.text.includes(' '), 'start line with a stray blank')
  }
  for (const { name, value } of message.headers) {
    if (name === 'Content-Length') continue
    ok(isToken(name), 'header name that is no token')
    ok(!hasForbiddenControl(value), `${name} with a control character`)
    head += `${name}: ${value}\r\n`
  }
  head += `Content-Length: ${message.body.length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head, 'utf8'), message.body])
}
