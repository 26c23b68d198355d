import type { Attribute, Connection, Line, MediaSection, SessionDescription } from './description.ts'

/**
 * Writes a description, CRLF after each line, lines in the order of RFC 8866 §9. Written by hand: `sdp-transform`'s
 * writer sorts attributes by its own table and changes lines it does not know well.
 */
export function formatDescription(description: SessionDescription): string {
  const { origin } = description
  const lines = [
    'v=0',
    `o=${origin.username} ${origin.sessionId} ${origin.version} ${formatConnection(origin)}`,
    `s=${description.name}`,
    ...formatLines(description.lines, 'iuep'),
    ...connectionLine(description.connection),
    ...formatLines(description.lines, 'btrzk'),
    ...description.attributes.map(formatAttribute),
    ...description.sections.flatMap(formatSection),
  ]
  return `${lines.join('\r\n')}\r\n`
}

function formatSection(section: MediaSection): string[] {
  const ports = section.portCount === undefined ? `${section.port}` : `${section.port}/${section.portCount}`
  return [
    `m=${[section.media, ports, section.protocol, ...section.formats].join(' ')}`,
    ...formatLines(section.lines, 'i'),
    ...connectionLine(section.connection),
    ...formatLines(section.lines, 'bk'),
    ...(section.mid === undefined ? [] : [`a=mid:${section.mid}`]),
    ...formatRtcp(section.rtcp),
    ...formatCodecs(section),
    ...(section.ptime === undefined ? [] : [`a=ptime:${section.ptime}`]),
    ...(section.maxptime === undefined ? [] : [`a=maxptime:${section.maxptime}`]),
    ...section.attributes.map(formatAttribute),
  ]
}

function formatCodecs(section: MediaSection): string[] {
  return [
    ...section.rtpmaps.map(({ payloadType, name, clockRateHz, channels }) => {
      const suffix = channels === 1 ? '' : `/${channels}`
      return `a=rtpmap:${payloadType} ${name}/${clockRateHz}${suffix}`
    }),
    ...section.fmtps.map(({ payloadType, format }) => `a=fmtp:${payloadType} ${format}`),
  ]
}

function formatRtcp(rtcp: MediaSection['rtcp']): string[] {
  if (rtcp === undefined) return []
  const suffix = rtcp.connection === undefined ? '' : ` ${formatConnection(rtcp.connection)}`
  return [`a=rtcp:${rtcp.port}${suffix}`]
}

function formatConnection(connection: Connection): string {
  return `IN IP${connection.family} ${connection.address}`
}

function connectionLine(connection: Connection | undefined): string[] {
  return connection === undefined ? [] : [`c=${formatConnection(connection)}`]
}

/** `lines` are already in order. */
function formatLines(lines: readonly Line[], types: string): string[] {
  return lines.filter((line) => types.includes(line.type)).map((line) => `${line.type}=${line.value}`)
}

function formatAttribute(attribute: Attribute): string {
  return attribute.value === undefined ? `a=${attribute.name}` : `a=${attribute.name}:${attribute.value}`
}
