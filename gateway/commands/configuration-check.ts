import { X509Certificate } from 'node:crypto'
import type { Config, TrunkConfig } from '../../config/config.ts'
import { UPSTREAM } from '../../config/upstream.ts'
import { formatAddress } from '../../media/address.ts'
import { isCut, RECEIVE_BUFFER_BYTES, receiveBufferSetting } from '../../media/receive-buffer.ts'
import { isCertificateOf } from '../../sip/transport/tls-identity.ts'
import { bindTrouble, configuredSockets } from '../configured-sockets.ts'
import type { Trunk } from '../trunks/trunk.ts'
import { daysLeft, SOON_DAYS } from '../web/certificate-times.ts'

/** One thing that was looked at. */
export interface CheckLine {
  readonly level: 'ok' | 'warning' | 'error'
  /** What was looked at: a key of the configuration. */
  readonly what: string
  readonly text: string
}

/** As the daemon would bind it. */
export interface BoundSocket {
  readonly kind: 'udp' | 'tcp'
  readonly address: string
  readonly port: number
  /** Keeps `::` from taking IPv4 too. */
  readonly ipv6Only: boolean
}

/** What the checks ask of the machine; injected. */
export interface CheckWorld {
  readonly readText: (path: string) => string
  readonly now: () => Date
  /** Undefined when it can be bound; else the code of the system's error. */
  readonly bindError: (socket: BoundSocket) => Promise<string | undefined>
  /** First and last port that the system gives to others (`net.ipv4.ip_local_port_range`); undefined: not known. */
  readonly ephemeralPorts: () => readonly [first: number, last: number] | undefined
  /** Largest receive buffer that a program gets by asking (`net.core.rmem_max`); undefined: not known. */
  readonly mostReceiveBytes: () => number | undefined
}

const ok = (what: string, text: string): CheckLine => ({ level: 'ok', what, text })
const warning = (what: string, text: string): CheckLine => ({ level: 'warning', what, text })
const error = (what: string, text: string): CheckLine => ({ level: 'error', what, text })

interface CertificateFile {
  readonly what: string
  readonly path: string
  /** The name it must be for; undefined: not to be said from here. */
  readonly name: string | undefined
  /** Who is shown it with all that is in its file. */
  readonly peers?: 'browsers' | 'trunks'
}

/** Every certificate that the configuration names. That a key fits its certificate is seen when the configuration is read. */
export function certificateLines(config: Config, { readText, now }: CheckWorld): readonly CheckLine[] {
  return certificatesOf(config).flatMap(({ what, path, name, peers }) => {
    const [certificate, ...others] = readCertificates(readText(path))
    if (certificate === undefined) return [error(what, `${path} holds no certificate`)]
    return [
      expiryLine(what, certificate, now()),
      ...(name === undefined ? [] : nameLines(what, certificate, name)),
      ...(peers === undefined ? [] : chainLines(what, certificate, others, peers)),
    ]
  })
}

function nameLines(what: string, certificate: X509Certificate, name: string): readonly CheckLine[] {
  const names = { subjectaltname: certificate.subjectAltName ?? '', subject: subjectOf(certificate) }
  if (isCertificateOf(names, name, { wildcards: true })) return []
  return [warning(what, `is not for ${name}: ${certificate.subjectAltName ?? 'no names'}`)]
}

/** Whether the file has what leads to an authority: a browser that has once seen the missing part may hide that it is not there. */
function chainLines(
  what: string,
  certificate: X509Certificate,
  others: readonly X509Certificate[],
  peers: string,
): readonly CheckLine[] {
  if (certificate.issuer === certificate.subject) {
    return [warning(what, `is self-signed: ${peers} refuse it unless they are given it`)]
  }
  if (others.some((other) => certificate.checkIssued(other))) return []
  const issuer = certificate.issuer.replaceAll('\n', ', ')
  return [
    warning(
      what,
      `its file has no certificate of its issuer (${issuer}): most ${peers} then refuse it, unless that is a root they know; use fullchain.pem`,
    ),
  ]
}

function certificatesOf(config: Config): readonly CertificateFile[] {
  const web = config.web.https?.certificate
  // A PBX over TLS is shown that of the listener, also where there is none.
  const shown = config.tls ?? config.upstream?.certificate
  const own = peersOf(config).flatMap(({ what, trunk: { tls } }) => [
    ...(tls?.certificate === undefined
      ? []
      : [{ what: `${what}: tls.certificate`, path: tls.certificate, name: undefined }]),
    ...(tls?.ca === undefined ? [] : [{ what: `${what}: tls.ca`, path: tls.ca, name: undefined }]),
  ])
  return [
    ...(web === undefined
      ? []
      : [{ what: 'web.https.certificate', path: web, name: config.domain, peers: 'browsers' as const }]),
    ...config.web.listeners.flatMap(({ certificate }, index) =>
      certificate === undefined
        ? []
        : [
            {
              what: `web.listeners[${index}].certificate`,
              path: certificate,
              name: undefined,
              peers: 'browsers' as const,
            },
          ],
    ),
    ...(shown === undefined
      ? []
      : [
          { what: 'tls.certificate', path: shown.certificate, name: config.domain, peers: 'trunks' as const },
        ]),
    ...own,
  ]
}

/** All in a PEM file, its own first; none when one cannot be read. */
function readCertificates(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  try {
    return blocks.map((block) => new X509Certificate(block))
  } catch {
    return []
  }
}

const subjectOf = ({ subject }: X509Certificate): { readonly CN?: string } => {
  const [, name] = /^CN=(.*)$/m.exec(subject) ?? []
  return name === undefined ? {} : { CN: name }
}

function expiryLine(what: string, certificate: X509Certificate, now: Date): CheckLine {
  const { validFrom, validTo } = certificate
  const days = daysLeft(certificate, now.getTime())
  if (Date.parse(validFrom) > now.getTime()) return error(what, `is not valid before ${validFrom}`)
  if (days < 0) return error(what, `expired ${validTo}`)
  return days < SOON_DAYS
    ? warning(what, `expires in ${days} days, ${validTo}`)
    : ok(what, `valid until ${validTo}`)
}

/** The trunks, and the PBX that keeps the registrations. */
const peersOf = ({
  trunks,
  upstream,
}: Config): readonly { readonly what: string; readonly trunk: TrunkConfig }[] => [
  ...trunks.map((trunk) => ({ what: `trunks ${trunk.name}`, trunk })),
  ...(upstream === undefined ? [] : [{ what: UPSTREAM, trunk: upstream.trunk }]),
]

/** What each host stands for. `find`: in a table that has been refreshed. */
export function trunkLines(
  config: Config,
  find: (trunk: TrunkConfig) => Trunk | undefined,
): readonly CheckLine[] {
  return peersOf(config).map(({ what: name, trunk }) => {
    const what = `${name}: host ${trunk.host}`
    const paths = find(trunk)?.servers.flatMap((server) => server.paths) ?? []
    if (paths.length === 0) return error(what, noAddress(trunk))
    return ok(
      what,
      paths.map(({ transport, remote }) => `${transport} ${remote.address}:${remote.port}`).join(', '),
    )
  })
}

const noAddress = ({ port, transport }: TrunkConfig): string =>
  port === undefined && transport !== 'udp'
    ? 'has no server: no NAPTR, SRV or address record leads anywhere we can reach'
    : 'has no address that we can reach'

/** Whether every port can be bound now. A daemon that runs has them already, which is no mistake of the configuration. */
export async function portLines(
  config: Config,
  { bindError }: CheckWorld,
  expand: (hosts: readonly string[]) => readonly string[],
): Promise<readonly CheckLine[]> {
  const sockets = configuredSockets(config, expand).filter(({ port }) => port !== 0)
  const lines = await Promise.all(
    sockets.flatMap((socket) =>
      socket.addresses.map(async (address): Promise<CheckLine> => {
        const { what, kind, port, ipv6Only } = socket
        const code = await bindError({ kind, address, port, ipv6Only })
        if (code === undefined) return ok(what, `${kind} ${formatAddress({ address, port })} is free`)
        const trouble = bindTrouble(socket, { address, port }, code)
        return code === 'EADDRINUSE'
          ? warning(what, `${trouble}, perhaps by the daemon itself`)
          : error(what, trouble)
      }),
    ),
  )
  return lines
}

/** The system gives ports of this range to any program, such as a name server; a call that wants one then finds it taken. */
export function rangeLines(config: Config, { ephemeralPorts }: CheckWorld): readonly CheckLine[] {
  const range = ephemeralPorts()
  const { rtpPortMin, rtpPortMax } = config.media
  const what = 'media.rtpPortMin, media.rtpPortMax'
  if (peersOf(config).length === 0 || range === undefined) return []
  const [first, last] = range
  const isApart = rtpPortMax < first || rtpPortMin > last
  return [
    isApart
      ? ok(what, `${rtpPortMin}-${rtpPortMax} are the gateway's alone`)
      : warning(
          what,
          `${rtpPortMin}-${rtpPortMax} overlaps ${first}-${last}, which the system gives to others: choose other ports, or set net.ipv4.ip_local_reserved_ports`,
        ),
  ]
}

/** Judged without the rights of the process: a check as root would get more than the daemon does. */
export function bufferLines({ mostReceiveBytes }: CheckWorld): readonly CheckLine[] {
  const grantedBytes = mostReceiveBytes()
  if (grantedBytes === undefined) return []
  const what = 'net.core.rmem_max'
  return [
    isCut({ askedBytes: RECEIVE_BUFFER_BYTES, grantedBytes })
      ? warning(
          what,
          `is ${grantedBytes}: media that comes while the gateway is held up for a moment is lost; set ${receiveBufferSetting(RECEIVE_BUFFER_BYTES)}`,
        )
      : ok(what, `is ${grantedBytes}, ${RECEIVE_BUFFER_BYTES} are used`),
  ]
}
