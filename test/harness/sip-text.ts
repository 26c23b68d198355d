/** A SIP message as a scripted peer sees it: start line, headers as they came, body. No validation: the tests do that. */
export interface SipText {
  readonly startLine: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
}

export const parseSipText = (text: string): SipText => {
  const end = text.indexOf('\r\n\r\n')
  const [startLine = '', ...lines] = (end < 0 ? text : text.slice(0, end)).split('\r\n')
  const headers = lines.map((line): readonly [string, string] => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()]
  })
  return { startLine, headers, body: end < 0 ? '' : text.slice(end + 4) }
}

export const formatSipText = ({ startLine, headers, body }: SipText): string =>
  [
    startLine,
    ...headers.map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n')

export const headersOf = (message: SipText, name: string): string[] =>
  message.headers.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value)

/** The first one; '' when absent. */
export const headerOf = (message: SipText, name: string): string => headersOf(message, name)[0] ?? ''

/** Undefined for a request. */
export const statusOf = (message: SipText): number | undefined => {
  const status = /^SIP\/2\.0 (\d{3})/.exec(message.startLine)?.[1]
  return status === undefined ? undefined : Number(status)
}

export const methodOf = (message: SipText): string => message.startLine.split(' ', 1)[0] ?? ''

export const branchOf = (message: SipText): string =>
  /;branch=([^;,\s]+)/.exec(headerOf(message, 'Via'))?.[1] ?? ''
