import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PeerProcess } from './peer-process.ts'
import { freePort, isUdpPortTaken } from './ports.ts'
import { waitFor } from './wait-for.ts'

interface ListenOptions {
  /** A REGISTER for less is answered 423. */
  readonly minExpiresS?: number
  /** It grants no more. */
  readonly maxExpiresS?: number
  readonly port?: number
}

export interface KamailioOptions extends ListenOptions {
  readonly password: string
  /** Where calls from who has proved itself go: `host:port` of a phone behind it. */
  readonly phone: string
  /** From of all that is ours; whoever else asks is answered 403. */
  readonly customer?: { readonly user: string; readonly domain: string }
}

export interface KamailioRegistrarOptions extends ListenOptions {
  readonly realm: string
  /** Passwords by user. */
  readonly users: Readonly<Record<string, string>>
}

const REALM = 'provider.test'

const preamble = (port: number, { minExpiresS, maxExpiresS = 0 }: ListenOptions): string => `#!KAMAILIO
debug=2
log_stderror=yes
fork=no
children=1
listen=udp:127.0.0.1:${port}
listen=tcp:127.0.0.1:${port}
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
loadmodule "pv.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "auth.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "xlog.so"
modparam("registrar", "min_expires", ${minExpiresS})
modparam("registrar", "min_expires_mode", 1)
modparam("registrar", "max_expires", ${maxExpiresS})
modparam("auth", "qop", "auth")
`

/** Registers who knows a password, and passes the calls of those among each other; a proxy, so that R-URI and To stay. */
const registrarText = (
  port: number,
  { realm, users, ...listen }: KamailioRegistrarOptions,
): string => `${preamble(port, { minExpiresS: 1, ...listen })}
request_route {
  xlog("L_WARN", "got $rm of $fU from $si:$sp by $proto with contact $ct\\n");
  if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (has_totag()) {
    if (loose_route()) { t_relay(); } else if (is_method("ACK") && t_check_trans()) { t_relay(); }
    exit;
  }
  if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
  route(AUTH);
  if (is_method("REGISTER")) {
    if (!save("location")) sl_reply_error();
    exit;
  }
  consume_credentials();
  record_route();
  if (!lookup("location")) { sl_send_reply("404", "Not Found"); exit; }
  t_relay();
}

route[AUTH] {
  $var(password) = "";
${Object.entries(users)
  .map(([user, password]) => `  if ($fU == "${user}") $var(password) = "${password}";`)
  .join('\n')}
  if (!pv_www_authenticate("${realm}", "$var(password)", "0")) { www_challenge("${realm}", "1"); exit; }
}
`

const configText = (port: number, { password, phone, customer, ...listen }: KamailioOptions): string => {
  const known = customer === undefined ? '1 == 1' : `$fU == "${customer.user}" && $fd == "${customer.domain}"`
  return `${preamble(port, { minExpiresS: 60, ...listen })}
modparam("auth", "nonce_count", 1)

request_route {
  xlog("L_WARN", "got $rm from $si:$sp by $proto\\n");
  if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (has_totag()) {
    # Every method is challenged, but ACK cannot be.
    if (src_port != ${phone.split(':')[1]} && !is_method("ACK")) route(AUTH);
    if (loose_route()) { t_relay(); } else if (is_method("ACK") && t_check_trans()) { t_relay(); }
    exit;
  }
  if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
  if (src_port != ${phone.split(':')[1]} && !(${known})) {
    xlog("L_WARN", "nobody of ours: $fu\\n");
    sl_send_reply("403", "Forbidden");
    exit;
  }
  if (is_method("OPTIONS")) { route(AUTH); sl_send_reply("200", "Alive"); exit; }
  if (is_method("REGISTER")) {
    if (!pv_www_authenticate("${REALM}", "${password}", "0")) { www_challenge("${REALM}", "1"); exit; }
    if (!save("location")) sl_reply_error();
    if (reg_fetch_contacts("location", "$tu", "registered")) {
      xlog("L_WARN", "registered: $tU at $(ulc(registered=>count)) places\\n");
    }
    exit;
  }
  record_route();
  if (src_port == ${phone.split(':')[1]}) {
    if (!lookup("location")) { sl_send_reply("404", "Not Found"); exit; }
    t_relay();
    exit;
  }
  route(AUTH);
  consume_credentials();
  $rd = "${phone.split(':')[0]}";
  $rp = "${phone.split(':')[1]}";
  t_relay();
}

onreply_route {
  xlog("L_WARN", "got $rs of $rm\\n");
}

route[AUTH] {
  if (!pv_proxy_authenticate("${REALM}", "${password}", "0")) { proxy_challenge("${REALM}", "1"); exit; }
}
`
}

/** Kamailio as a provider with accounts: challenges whatever we send, registers, and passes calls to a phone and back. */
export class Kamailio {
  readonly port: number
  readonly #process: PeerProcess
  readonly #folder: string

  static async start(options: KamailioOptions): Promise<Kamailio> {
    return Kamailio.#launch(options, (port) => configText(port, options))
  }

  /** As a PBX that keeps registrations: phones and gateways register there, and call each other. */
  static async startRegistrar(options: KamailioRegistrarOptions): Promise<Kamailio> {
    return Kamailio.#launch(options, (port) => registrarText(port, options))
  }

  static async #launch(options: ListenOptions, text: (port: number) => string): Promise<Kamailio> {
    const folder = await mkdtemp(join(tmpdir(), 'webtrunk-kamailio-'))
    const port = options.port ?? (await freePort())
    await writeFile(join(folder, 'kamailio.cfg'), text(port))
    const args = ['-f', join(folder, 'kamailio.cfg'), '-DD', '-E', '-Y', folder, '-m', '32', '-M', '8']
    const child = new PeerProcess('kamailio', args, { hasChildren: true })
    await waitFor(
      'Kamailio to listen',
      async () => child.exitCode !== undefined || (await isUdpPortTaken(port)),
      {},
      () => child.output,
    )
    return new Kamailio(child, folder, port)
  }

  private constructor(child: PeerProcess, folder: string, port: number) {
    this.#process = child
    this.#folder = folder
    this.port = port
  }

  get log(): string {
    return this.#process.output
  }

  /** The end without a goodbye: SIGKILL. What it knew is lost. */
  async kill(): Promise<void> {
    await this.#process.stop('SIGKILL')
  }

  async close(): Promise<void> {
    await this.#process.stop('SIGTERM', 3_000)
    await rm(this.#folder, { recursive: true, force: true })
  }
}
