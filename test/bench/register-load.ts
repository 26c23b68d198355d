/**
 * The clients of `bench:register`: as many WebSockets over TLS as there are users, each of which registers as SIP.js and JsSIP
 * do: REGISTER, 401, REGISTER with digest. A line `register N` on standard input has everybody register N times; answered by
 * one line of JSON. `node register-load.js URL USERS`.
 */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { WebSocket } from 'ws'

const [url = '', users = '0'] = process.argv.slice(2)
/** Clients that are busy at a time: enough to keep one core of the gateway at work. */
const AT_A_TIME = 64
const md5 = (text: string): string => createHash('md5').update(text).digest('hex')
const realm = 'bench.test'
const uri = `sip:${realm}`

class Client {
  readonly #user: string
  readonly #webSocket: WebSocket
  readonly #instance = randomBytes(8).toString('hex')
  readonly #callId = randomBytes(10).toString('hex')
  #cseq = 0
  #answer: (text: string) => void = () => {}

  constructor(user: string) {
    this.#user = user
    this.#webSocket = new WebSocket(url, 'sip', { rejectUnauthorized: false, perMessageDeflate: false })
    this.#webSocket.on('message', (bytes) => this.#answer(String(bytes)))
  }

  async open(): Promise<void> {
    await once(this.#webSocket, 'open')
  }

  async register(): Promise<void> {
    const challenge = await this.#send('')
    // Of the last challenge, as those clients do.
    const nonce = /nonce="([^"]+)"[^\r]*algorithm=MD5/.exec(challenge)?.[1] ?? ''
    const user = this.#user
    const cnonce = randomBytes(4).toString('hex')
    const hash = `${md5(`${user}:${realm}:secret`)}:${nonce}:00000001:${cnonce}:auth:${md5(`REGISTER:${uri}`)}`
    const answer = await this.#send(
      `Authorization: Digest username="${user}", realm="${realm}", nonce="${nonce}", uri="${uri}", response="${md5(hash)}", algorithm=MD5, qop=auth, nc=00000001, cnonce="${cnonce}"\r\n`,
    )
    if (!answer.startsWith('SIP/2.0 200')) throw new Error(`${user} was answered ${answer.slice(0, 200)}`)
  }

  #send(authorization: string): Promise<string> {
    this.#cseq += 1
    const { aor, host } = { aor: `sip:${this.#user}@${realm}`, host: `${this.#instance}.invalid` }
    const answered = new Promise<string>((resolve) => {
      this.#answer = resolve
    })
    this.#webSocket.send(
      `REGISTER ${uri} SIP/2.0\r\nVia: SIP/2.0/WSS ${host};branch=z9hG4bK${randomBytes(8).toString('hex')}\r\n` +
        `Max-Forwards: 69\r\nTo: <${aor}>\r\nFrom: <${aor}>;tag=${randomBytes(5).toString('hex')}\r\n` +
        `Call-ID: ${this.#callId}\r\nCSeq: ${this.#cseq} REGISTER\r\n${authorization}` +
        `Contact: <sip:${this.#instance}@${host};transport=ws>;+sip.instance="<urn:uuid:${this.#instance}>";reg-id=1;expires=600\r\n` +
        'Expires: 600\r\nAllow: INVITE,ACK,CANCEL,BYE,UPDATE,MESSAGE,OPTIONS,REFER,INFO,NOTIFY\r\n' +
        'Supported: path,gruu,outbound\r\nUser-Agent: bench 1.0\r\nContent-Length: 0\r\n\r\n',
    )
    return answered
  }
}

/** Has `work` done for each, a few at a time. Seconds it took. */
async function forEach<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<number> {
  const startedAtMs = performance.now()
  let next = 0
  const worker = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item)
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, worker))
  return (performance.now() - startedAtMs) / 1_000
}

const tell = (line: object): void => console.log(JSON.stringify(line))

const clients: Client[] = []
const connectS = await forEach(
  Array.from({ length: Number(users) }, (_, index) => `user${index}`),
  async (user) => {
    const client = new Client(user)
    await client.open()
    clients.push(client)
  },
)
tell({ connectS })
for await (const line of createInterface({ input: process.stdin })) {
  const rounds = Number(line.split(' ')[1])
  let seconds = 0
  for (let round = 0; round < rounds; round += 1) {
    seconds += await forEach(clients, (client) => client.register())
  }
  tell({ seconds })
}
process.exit(0)
