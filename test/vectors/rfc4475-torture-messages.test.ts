import { describe, expect, it } from 'vitest'
import { formatMessage } from '../../sip/message/format.ts'
import {
  contacts,
  contentType,
  credentials,
  header,
  headerValues,
  optionTags,
} from '../../sip/message/headers.ts'
import { MalformedRequest } from '../../sip/message/malformed-request.ts'
import type { SipRequest, SipResponse } from '../../sip/message/message.ts'
import { parseMessage } from '../../sip/message/parser.ts'
import { failureOf } from '../harness/sip/sip-messages.ts'
import { ABOVE, INVALID, type TortureMessage, VALID } from './rfc4475-messages.ts'

function request({ bytes }: TortureMessage): SipRequest {
  const message = parseMessage(bytes)
  if (message.kind !== 'request') throw new Error('not a request')
  return message
}

function response({ bytes }: TortureMessage): SipResponse {
  const message = parseMessage(bytes)
  if (message.kind !== 'response') throw new Error('not a response')
  return message
}

describe('RFC 4475 §3.1.1, valid messages, are read', () => {
  it('wsinv: white space, folding, compact forms and several Vias in a line', () => {
    const message = request(VALID.wsinv)
    expect(message.via.map(({ transport, host }) => `${transport} ${host}`)).toEqual([
      'UDP 192.0.2.2',
      'TCP spindle.example.com',
      'UDP 192.168.255.111',
    ])
    expect(message.via[2]?.parameters.get('branch')).toBe('z9hG4bK30239')
    expect(message.from.displayName).toBe('J Rosenberg \\"')
    expect(message.from.parameters.get('tag')).toBe('98asjd8')
    expect(message.to.parameters.get('tag')).toBe('1918181833n')
    expect(message.cseq).toEqual({ number: 9, method: 'INVITE' })
    expect(header(message, 'max-forwards')).toBe('0068')
    expect(header(message, 'Subject')).toBe('')
    expect(header(message, 'NEWFANGLEDHEADER')).toBe('newfangled value continued newfangled value')
    const [contact] = contacts(message)
    expect(contact).toMatchObject({ displayName: 'Quoted string ""' })
  })

  it('intmeth: unusual method, URI, quoted control characters and UTF-8, echoed byte for byte', () => {
    const message = request(VALID.intmeth)
    expect(message.method).toBe("!interesting-Method0123456789_*+`.%indeed'~")
    expect(message.uri).toMatchObject({
      host: 'example.com',
      user: "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*",
    })
    expect(message.to.displayName).toBe('BEL:\x07 NUL:\x00 DEL:\x7f')
    expect(formatMessage(message).includes(Buffer.from('"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f"'))).toBe(true)
  })

  it('esc01, escnull, esc02, semiuri: escapes are undone once, in users and parameters only', () => {
    expect(request(VALID.esc01).uri).toMatchObject({ user: 'sips:user@example.com', host: 'example.net' })
    expect(request(VALID.esc01).to.uri).toMatchObject({ user: 'user' })
    const [contact] = contacts(request(VALID.esc01))
    expect(contact).toMatchObject({
      uri: {
        parameters: new Map([
          ['lr', ''],
          ['name', 'value%41'],
        ]),
      },
    })
    expect(request(VALID.escnull).to.uri).toMatchObject({ user: 'null-\0-null' })
    expect(request(VALID.esc02).method).toBe('RE%47IST%45R')
    expect(headerValues(request(VALID.esc02), 'Contact')).toHaveLength(2)
    expect(request(VALID.semiuri).uri).toMatchObject({ user: 'user;par=u@example.net', host: 'example.com' })
  })

  it('lwsdisp: no blank between display name and bracket', () => {
    expect(request(VALID.lwsdisp).from).toMatchObject({ displayName: 'caller', uri: { user: 'caller' } })
  })

  it('longreq: long names, values, tags and 33 Vias', () => {
    const message = request(VALID.longreq)
    expect(message.via).toHaveLength(33)
    expect(message.from.parameters.get('tag')).toHaveLength(302)
  })

  it('dblreq: what follows the body is left alone', () => {
    expect(request(VALID.dblreq)).toMatchObject({ method: 'REGISTER', body: Buffer.alloc(0) })
  })

  it('transports: five kinds, one unknown', () => {
    expect(request(VALID.transports).via.map(({ transport }) => transport)).toEqual([
      'UDP',
      'SCTP',
      'TLS',
      'UNKNOWN',
      'TCP',
    ])
  })

  it('mpart01: a binary body is kept as it is', () => {
    const { body } = request(VALID.mpart01)
    expect(body.includes(Buffer.from([0xff, 0xfe, 0x0d, 0x0a, 0x0d, 0x0a, 0xc3, 0x28]))).toBe(true)
    expect(VALID.mpart01.bytes.subarray(-body.length).equals(body)).toBe(true)
  })

  it('unreason, noreason: any reason phrase, or none', () => {
    expect(response(VALID.unreason)).toMatchObject({
      status: 200,
      reason: expect.stringContaining('2**3 * 5**2 \u043d\u043e'),
    })
    expect(response(VALID.noreason)).toMatchObject({ status: 100, reason: '' })
  })
})

describe('RFC 4475 §3.1.2 and §3.3, invalid messages, are refused', () => {
  const ANSWERS: Record<keyof typeof INVALID, number | 'dropped' | '400 without answer'> = {
    badinv01: '400 without answer',
    clerr: 400,
    ncl: 400,
    scalar02: 400,
    scalarlg: 'dropped',
    quotbal: 400,
    ltgtruri: 400,
    lwsruri: 400,
    lwsstart: 400,
    trws: 400,
    escruri: 400,
    badaspec: 400,
    badvers: 505,
    mismatch01: 400,
    mismatch02: 400,
    bigcode: 'dropped',
    insuf: '400 without answer',
    multi01: 400,
    mcl01: 400,
  }

  it.each(Object.values(INVALID))('$name ($section)', ({ name, bytes }) => {
    const answer = ANSWERS[name as keyof typeof INVALID]
    const { failure, status } = failureOf(() => parseMessage(bytes))
    expect(failure instanceof MalformedRequest).toBe(answer !== 'dropped')
    if (!(failure instanceof MalformedRequest)) return
    expect(status).toBe(answer === '400 without answer' ? 400 : answer)
    expect(failure.answerable !== undefined).toBe(answer !== '400 without answer')
  })
})

describe('RFC 4475, messages whose oddity is for the layers above, are read', () => {
  it.each(Object.values(ABOVE))('$name ($section)', ({ bytes }) => {
    expect(() => parseMessage(bytes)).not.toThrow()
  })

  it('baddn: an unquoted comma in a display name is forgiven', () => {
    expect(request(ABOVE.baddn).from).toMatchObject({
      displayName: 'Bell, Alexander',
      uri: { user: 'a.g.bell' },
    })
  })

  it('regbadct: a Contact with headers outside brackets is refused when it is read', () => {
    expect(failureOf(() => contacts(request(ABOVE.regbadct))).status).toBe(400)
  })

  it('regescrt: inside brackets they are kept', () => {
    expect(contacts(request(ABOVE.regescrt))).toMatchObject([
      { uri: { headers: 'Route=%3Csip:sip.example.com%3E' } },
    ])
  })

  it('unkscm, novelsc, unksm2: unknown schemes are kept unread', () => {
    expect(request(ABOVE.unkscm).uri).toMatchObject({ scheme: 'nobodyknowsthisscheme', host: undefined })
    expect(request(ABOVE.novelsc).uri).toMatchObject({
      scheme: 'soap.beep',
      text: 'soap.beep://192.0.2.103:3002',
    })
    expect(request(ABOVE.unksm2).to.uri).toMatchObject({ scheme: 'isbn' })
    expect(request(ABOVE.unksm2).from.uri).toMatchObject({ scheme: 'http' })
  })

  it('bext01, invut, regaut01: what would have to be understood can be seen', () => {
    expect([...optionTags(request(ABOVE.bext01), 'Require')]).toEqual([
      'nothingsupportsthis',
      'nothingsupportsthiseither',
    ])
    expect(contentType(request(ABOVE.invut))?.type).toBe('application/unknownformat')
    expect(credentials(request(ABOVE.regaut01), 'Authorization')).toMatchObject([
      { scheme: 'nooneknowsthisscheme' },
    ])
  })

  it('cparam01, cparam02: a parameter belongs to the header without brackets and to the URI within', () => {
    expect(contacts(request(ABOVE.cparam01))).toMatchObject([{ parameters: new Map([['unknownparam', '']]) }])
    expect(contacts(request(ABOVE.cparam02))).toMatchObject([
      { parameters: new Map(), uri: { parameters: new Map([['unknownparam', '']]) } },
    ])
  })

  it('inv2543: no branch, no tag, no Max-Forwards', () => {
    const message = request(ABOVE.inv2543)
    expect(message.via[0]?.parameters.has('branch')).toBe(false)
    expect(message.from.parameters.has('tag')).toBe(false)
    expect(message.to.parameters.get('user')).toBe('phone')
  })
})
