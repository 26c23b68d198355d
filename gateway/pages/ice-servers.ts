/** As `RTCPeerConnection` takes it. */
export interface IceServer {
  readonly urls: string[]
  readonly username: string
  readonly credential: string
}

export interface IceServers {
  readonly iceServers: readonly IceServer[]
  readonly lifetimeS: number
}

const isText = (value: unknown): value is string => typeof value === 'string'

/** The `X-Ice-Servers` header of a 200; undefined when there is none, or it says nothing that can be used. */
export function parseIceServers(header: string | undefined): IceServers | undefined {
  try {
    const value: unknown = JSON.parse(header ?? '')
    if (typeof value !== 'object' || value === null) return undefined
    const { iceServers, lifetimeS } = value as Partial<Record<'iceServers' | 'lifetimeS', unknown>>
    if (!Array.isArray(iceServers) || typeof lifetimeS !== 'number' || !(lifetimeS > 0)) return undefined
    const servers = iceServers.flatMap((server: unknown) => readServer(server) ?? [])
    return servers.length === 0 ? undefined : { iceServers: servers, lifetimeS }
  } catch {
    return undefined
  }
}

function readServer(value: unknown): IceServer | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { urls, username, credential } = value as Partial<Record<'urls' | 'username' | 'credential', unknown>>
  if (!Array.isArray(urls) || !urls.every(isText) || !isText(username) || !isText(credential))
    return undefined
  return { urls, username, credential }
}
