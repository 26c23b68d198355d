import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Identity } from './certificates.ts'
import { PeerProcess } from './peer-process.ts'
import { freePort, isTcpPortTaken } from './ports.ts'
import { waitFor } from './wait-for.ts'

/** nginx or haproxy as a child process, in a folder of its own. */
class ProxyProcess {
  readonly #process: PeerProcess
  readonly #folder: string

  constructor(child: PeerProcess, folder: string) {
    this.#process = child
    this.#folder = folder
  }

  async close(): Promise<void> {
    await this.#process.stop('SIGTERM', 3_000)
    await rm(this.#folder, { recursive: true, force: true })
  }
}

const folderFor = (name: string): Promise<string> => mkdtemp(join(tmpdir(), `webtrunk-${name}-`))

const untilListening = (child: PeerProcess, ports: readonly number[]): Promise<unknown> =>
  waitFor(
    'the proxy to listen',
    async () =>
      child.exitCode !== undefined ||
      (await Promise.all(ports.map((port) => isTcpPortTaken(port)))).every(Boolean),
    {},
    () => child.output,
  )

/** nginx that ends TLS: `/phone/` goes to a port as it is, `/by-socket/` to a Unix socket as `/phone/`. */
export async function startNginx(options: {
  readonly identity: Identity
  readonly httpPort: number
  readonly unixSocket: string
}): Promise<{ readonly proxy: ProxyProcess; readonly port: number }> {
  const folder = await folderFor('nginx')
  const port = await freePort()
  await writeFile(join(folder, 'cert.pem'), options.identity.certificate)
  await writeFile(join(folder, 'key.pem'), options.identity.key)
  const config = `
daemon off;
user root;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr warn;
events { worker_connections 256; }
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${folder}/cert.pem;
    ssl_certificate_key ${folder}/key.pem;
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection upgrade;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_read_timeout 1h;
    location /phone/ { proxy_pass http://127.0.0.1:${options.httpPort}; }
    location /by-socket/ { proxy_pass http://unix:${options.unixSocket}:/phone/; }
  }
}
`
  await writeFile(join(folder, 'nginx.conf'), config)
  const child = new PeerProcess('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'])
  await untilListening(child, [port])
  return { proxy: new ProxyProcess(child, folder), port }
}

/** haproxy: by one port it passes TLS on behind a PROXY header, at the other it ends TLS and adds X-Forwarded-For. */
export async function startHaproxy(options: {
  readonly identity: Identity
  readonly httpsPort: number
  readonly httpPort: number
}): Promise<{ readonly proxy: ProxyProcess; readonly passing: number; readonly ending: number }> {
  const folder = await folderFor('haproxy')
  const [passing, ending] = [await freePort(), await freePort()]
  await writeFile(join(folder, 'site.pem'), `${options.identity.certificate}\n${options.identity.key}`)
  const config = `
global
  maxconn 256
defaults
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
listen passing
  mode tcp
  bind 127.0.0.1:${passing}
  server webtrunk 127.0.0.1:${options.httpsPort} send-proxy-v2
listen ending
  mode http
  option forwardfor
  bind 127.0.0.1:${ending} ssl crt ${folder}/site.pem
  server webtrunk 127.0.0.1:${options.httpPort}
`
  await writeFile(join(folder, 'haproxy.cfg'), config)
  const child = new PeerProcess('haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')])
  await untilListening(child, [passing, ending])
  return { proxy: new ProxyProcess(child, folder), passing, ending }
}
