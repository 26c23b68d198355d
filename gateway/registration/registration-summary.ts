import type { Binding } from '../../sip/registration/location.ts'

/** One way to one device of a user, as `webtrunk registrations` tells it. */
export interface RegistrationSummary {
  readonly user: string
  /** `+sip.instance`; null where the client names none. */
  readonly instance: string | null
  readonly regId: number | null
  readonly contact: string
  readonly transport: string
  /** Of the client, also behind a proxy that we trust. */
  readonly remote: string
  readonly expiresInS: number
  readonly userAgent: string | null
}

export function registrationSummary(binding: Binding, nowMs: number): RegistrationSummary {
  const { aor, instance, regId, contact, flow, expiresAtMs, userAgent } = binding
  const { address, port } = flow.remote
  return {
    user: aor,
    instance: instance ?? null,
    regId: regId ?? null,
    contact: contact.uri.text,
    transport: flow.transport,
    remote: address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
    expiresInS: Math.ceil((expiresAtMs - nowMs) / 1_000),
    userAgent: userAgent ?? null,
  }
}
