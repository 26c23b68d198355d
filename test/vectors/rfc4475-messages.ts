/**
 * The torture messages of RFC 4475 §3, rewritten by hand: each keeps what it is there to try, not every byte of the
 * original. `@` as Content-Length stands for the right one.
 */
export interface TortureMessage {
  readonly section: string
  readonly name: string
  readonly bytes: Buffer
}

const SDP = [
  'v=0',
  'o=mhandley 29739 7272939 IN IP4 192.0.2.1',
  's=-',
  'c=IN IP4 192.0.2.1',
  't=0 0',
  '',
].join('\r\n')

function message(section: string, name: string, text: string, body: string | Buffer = ''): TortureMessage {
  const bodyBytes = Buffer.from(body)
  const head = text
    .trimStart()
    .replaceAll('\n', '\r\n')
    .replace('Content-Length: @', `Content-Length: ${bodyBytes.length}`)
  return { section, name, bytes: Buffer.concat([Buffer.from(`${head.trimEnd()}\r\n\r\n`), bodyBytes]) }
}

const common = (branch: string, method = 'INVITE'): string => `Max-Forwards: 70
To: sip:j.user@example.com
From: sip:caller@example.net;tag=134161461246
Call-ID: ${branch}.0ha0isndaksdjasdf3234nas
CSeq: 8 ${method}
Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw${branch}
`

export const VALID = {
  wsinv: message(
    '3.1.1.1',
    'wsinv',
    String.raw`
INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0
TO :
 sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n
from   : "J Rosenberg \\\""       <sip:jdrosen@example.com>
  ;
  tag = 98asjd8
MaX-fOrWaRdS: 0068
Call-ID: wsinv.ndaksdj@192.0.2.1
Content-Length   : ${SDP.length}
cseq: 0009
  INVITE
Via  : SIP  /   2.0
 /UDP
    192.0.2.2;branch=390skdjuw
s :
NewFangledHeader:   newfangled value
 continued newfangled value
UnknownHeaderWithUnusualValue: ;;,,;;,;
Content-Type: application/sdp
Route:
 <sip:services.example.com;lr;unknownwith=value;unknown-no-value>
v:  SIP  / 2.0  / TCP     spindle.example.com   ;
  branch  =   z9hG4bK9ikj8  ,
 SIP  /    2.0   / UDP  192.168.255.111   ; branch=
 z9hG4bK30239
m:"Quoted string \"\"" <sip:jdrosen@example.com> ; newparam =
      newvalue ;
  secondparam ; q = 0.33
`,
    SDP,
  ),

  intmeth: message(
    '3.1.1.2',
    'intmeth',
    [
      "!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0",
      "Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~",
      'To: "BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:1_unusual.URI~(to-be!sure)&isn\'t+it$/crazy?,/;;*@example.com>',
      "From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"\u0440\u0430\u0431\u043e\u0442\u0430\u044e\u0449\u0438\u0439\";tag=_token~1'+`*%!-.",
      'Call-ID: intmeth.word%ZK-!.*_+\'@word`~)(><:\\/"][?}{',
      "CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~",
      'Max-Forwards: 255',
      "extensionHeader-!.%*+_`'~: \ufeff\u5927\u505c\u96fb",
      'Content-Length: 0',
    ].join('\n'),
  ),

  esc01: message(
    '3.1.1.3',
    'esc01',
    `
INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0
To: sip:%75se%72@example.com
From: <sip:I%20have%20spaces@example.net>;tag=938
Max-Forwards: 87
i: esc01.239409asdfakjkn23onasd0-3234
CSeq: 234234 INVITE
Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bKkdjuw
C: application/sdp
Contact:
  <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>
Content-Length: @
`,
    SDP,
  ),

  escnull: message(
    '3.1.1.4',
    'escnull',
    `
REGISTER sip:example.com SIP/2.0
To: sip:null-%00-null@example.com
From: sip:null-%00-null@example.com;tag=839923423
Max-Forwards: 70
Call-ID: escnull.39203ndfvkjdasfkq3w4otrq0adsfdfnavd
CSeq: 14398234 REGISTER
Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdjuw
Contact: <sip:%00@host5.example.com>
Contact: <sip:%00%00@host5.example.com>
L:0
`,
  ),

  esc02: message(
    '3.1.1.5',
    'esc02',
    `
RE%47IST%45R sip:registrar.example.com SIP/2.0
To: "%Z%45" <sip:resource@example.com>
From: "%Z%45" <sip:resource@example.com>;tag=f232jadfj23
Call-ID: esc02.asdfnqwo34rq23i34jrjasdcnl23nrlknsdf
Via: SIP/2.0/TCP host.example.com;branch=z9hG4bK209%fzsnel234
CSeq: 29344 RE%47IST%45R
Max-Forwards: 70
Contact: <sip:alias1@host1.example.com>
C%6Fntact: <sip:alias2@host2.example.com>
Contact: <sip:alias3@host3.example.com>
l: 0
`,
  ),

  lwsdisp: message(
    '3.1.1.6',
    'lwsdisp',
    `
OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: caller<sip:caller@example.com>;tag=323
Max-Forwards: 70
Call-ID: lwsdisp.1234abcd@funky.example.com
CSeq: 60 OPTIONS
Via: SIP/2.0/UDP funky.example.com;branch=z9hG4bKkdjuw
l: 0
`,
  ),

  longreq: message(
    '3.1.1.7',
    'longreq',
    `
INVITE sip:user@example.com SIP/2.0
To: "I have a user name of ${'extreme'.repeat(10)} proportion"<sip:user@example.com:6000;unknownparam1=very${'long'.repeat(20)}value;longparam${'name'.repeat(25)}=shortvalue;very${'long'.repeat(25)}ParameterNameWithNoValue>
F: sip:amazinglylongcallername${'amazinglylongcallername'.repeat(4)}@example.net;tag=12${'982424'.repeat(50)};unknownheaderparam${'name'.repeat(20)}=unknowheaderparam${'value'.repeat(15)};unknownValueless${'paramname'.repeat(10)}
Call-ID: longreq.one${'really'.repeat(20)}longcallid
CSeq: 3882340 INVITE
Unknown-${'Long'.repeat(20)}-Name: unknown-${'long'.repeat(20)}-value; unknown-${'long'.repeat(20)}-parameter-name = unknown-${'long'.repeat(20)}-parameter-value
Via: SIP/2.0/TCP sip33.example.com
v: SIP/2.0/TCP sip32.example.com
V: SIP/2.0/TCP sip31.example.com
${Array.from({ length: 30 }, (_, i) => `Via: SIP/2.0/TCP sip${30 - i}.example.com`).join('\n')}
Max-Forwards: 70
Contact: <sip:amazinglylongcallername${'amazinglylongcallername'.repeat(4)}@host5.example.net>
Content-Type: application/sdp
l: ${SDP.length}
`,
    SDP,
  ),

  dblreq: message(
    '3.1.1.8',
    'dblreq',
    `
REGISTER sip:example.com SIP/2.0
To: sip:j.user@example.com
From: sip:j.user@example.com;tag=43251j3j324
Max-Forwards: 8
I: dblreq.0ha0isndaksdj99sdfafnl3lk233412
Contact: sip:j.user@host.example.com
CSeq: 8 REGISTER
Via: SIP/2.0/UDP 192.0.2.125;branch=z9hG4bKkdjuw23492
Content-Length: 0
`,
    `INVITE sip:joe@example.com SIP/2.0\r\n${common('dblreq').replaceAll('\n', '\r\n')}Content-Length: 0\r\n\r\n`,
  ),

  semiuri: message(
    '3.1.1.9',
    'semiuri',
    `
OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0
To: sip:j_user@example.com
From: sip:caller@example.org;tag=33242
Max-Forwards: 3
Call-ID: semiuri.0ha0isndaksdj
CSeq: 8 OPTIONS
Accept: application/sdp, application/pkcs7-mime,
        multipart/mixed, multipart/signed,
        message/sip, message/sipfrag
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKkdjuw
l: 0
`,
  ),

  transports: message(
    '3.1.1.10',
    'transports',
    `
OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: <sip:caller@example.com>;tag=323
Max-Forwards: 70
Call-ID:  transports.kijh4akdnaqjkwendsasfdj
Accept: application/sdp
CSeq: 60 OPTIONS
Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw
Via: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf
Via: SIP/2.0/TLS t3.example.com;branch=z9hG4bK2980unddj
Via: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en
Via: SIP/2.0/TCP t5.example.com;branch=z9hG4bK0a9idfnee
l: 0
`,
  ),

  mpart01: message(
    '3.1.1.11',
    'mpart01',
    `
MESSAGE sip:kumiko@example.org SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-d87543-4dade06d0bdb11ee-1--d87543-;rport
Max-Forwards: 70
Route: <sip:127.0.0.1:5080>
Identity: r5mwreLuyDRYBi/0TiPwEsY3rEVsk/G2WxhgTV1PF7hHuLIK0YWVKZhKv9Mj8UeXqkMVbnVq37CD+813gvYjcBUaZngQmXc9WNZSDNGCzA+fWl9MEUHWIZo1CeJebdY/XlgKeTa0Olvq0rt70Q5jiSfbqMJmQFteeivUhkMWYUA=
To: <sip:kumiko@example.org>
From: <sip:fluffy@example.com>;tag=2fb0dcc9
Call-ID: 3d9485ad0c49859b@Zmx1ZmZ5LW1hYy0xNi5sb2NhbA..
CSeq: 1 MESSAGE
Content-Transfer-Encoding: binary
Content-Type: multipart/mixed;boundary=7a9cbec02ceef655
Date: Sat, 15 Oct 2005 04:44:56 GMT
User-Agent: SIPimp.org/0.2.5 (curses)
Content-Length: @
`,
    Buffer.concat([
      Buffer.from(
        '--7a9cbec02ceef655\r\nContent-Type: text/plain\r\n\r\nHello\r\n--7a9cbec02ceef655\r\nContent-Type: application/octet-stream\r\n\r\n',
      ),
      Buffer.from([0x30, 0x82, 0x01, 0x52, 0x00, 0xff, 0xfe, 0x0d, 0x0a, 0x0d, 0x0a, 0xc3, 0x28]),
      Buffer.from('\r\n--7a9cbec02ceef655--'),
    ]),
  ),

  unreason: message(
    '3.1.1.12',
    'unreason',
    `
SIP/2.0 200 = 2**3 * 5**2 \u043d\u043e \u0441\u0442\u043e \u0434\u0435\u0432\u044f\u043d\u043e\u0441\u0442\u043e \u0434\u0435\u0432\u044f\u0442\u044c - \u043f\u0440\u043e\u0441\u0442\u043e\u0435
Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923
Call-ID: unreason.1234ksdfak3j2erwedfsASdf
CSeq: 35 INVITE
From: sip:user@example.com;tag=11141343
To: sip:user@example.edu;tag=2229
Content-Length: @
Content-Type: application/sdp
Contact: <sip:user@host198.example.com>
`,
    SDP,
  ),

  noreason: message(
    '3.1.1.13',
    'noreason',
    `
SIP/2.0 100${' '}
Via: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe
Call-ID: noreason.asndj203insdf99223ndf
CSeq: 35 INVITE
From: <sip:user@example.com>;tag=39ansfi3
To: <sip:user@example.edu>;tag=902jndnke3
Content-Length: 0
Contact: <sip:user@host105.example.com>
`,
  ),
} as const

export const INVALID = {
  badinv01: message(
    '3.1.2.1',
    'badinv01',
    `
INVITE sip:user@example.com SIP/2.0
To: sip:j.user@example.com
From: sip:caller@example.net;tag=134161461246
Max-Forwards: 7
Call-ID: badinv01.0ha0isndaksdjasdf3234nas
CSeq: 8 INVITE
Via: SIP/2.0/UDP 192.0.2.15;;,;,,
Contact: "Joe" <sip:joe@example.org>;;;;
Content-Length: @
Content-Type: application/sdp
`,
    SDP,
  ),
  clerr: message(
    '3.1.2.2',
    'clerr',
    `
INVITE sip:user@example.com SIP/2.0
${common('clerr')}Content-Type: application/sdp
Content-Length: 9999
`,
    SDP,
  ),
  ncl: message(
    '3.1.2.3',
    'ncl',
    `
INVITE sip:user@example.com SIP/2.0
${common('ncl')}Content-Type: application/sdp
Content-Length: -999
`,
    SDP,
  ),
  scalar02: message(
    '3.1.2.4',
    'scalar02',
    `
REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/TCP host129.example.com;branch=z9hG4bK342sdfoi3
To: <sip:user@example.com>
From: <sip:user@example.com>;tag=239232jh3
CSeq: 36893488147419103232 REGISTER
Call-ID: scalar02.23o0pd9vanlq3wnrlnewofjas9ui32
Max-Forwards: 300
Expires: 1${'0'.repeat(100)}
Contact: <sip:user@host129.example.com>;expires=280297596632815
Content-Length: 0
`,
  ),
  scalarlg: message(
    '3.1.2.5',
    'scalarlg',
    `
SIP/2.0 503 Service Unavailable
Via: SIP/2.0/TCP host129.example.com;branch=z9hG4bKzzxdiwo34sw;received=192.0.2.129
To: <sip:user@example.com>
From: <sip:other@example.net>;tag=2easdjfejw
CSeq: 9292394834772304023312 OPTIONS
Call-ID: scalarlg.noase0of0234hn2qofoaf0232aewf2394r
Retry-After: 949302838503028349304023988
Warning: 1812 overture "In Progress"
Content-Length: 0
`,
  ),
  quotbal: message(
    '3.1.2.6',
    'quotbal',
    `
INVITE sip:user@example.com SIP/2.0
To: "Mr. J. User <sip:j.user@example.com>
From: sip:caller@example.net;tag=93334
Max-Forwards: 10
Call-ID: quotbal.aksdj
Contact: <sip:caller@host59.example.net>
CSeq: 8 INVITE
Via: SIP/2.0/UDP 192.0.2.59:5050;branch=z9hG4bKkdjuw39234
Content-Type: application/sdp
Content-Length: @
`,
    SDP,
  ),
  ltgtruri: message(
    '3.1.2.7',
    'ltgtruri',
    `
INVITE <sip:user@example.com> SIP/2.0
${common('ltgtruri')}Content-Length: 0
`,
  ),
  lwsruri: message(
    '3.1.2.8',
    'lwsruri',
    `
INVITE sip:user@example.com; lr SIP/2.0
${common('lwsruri')}Content-Length: 0
`,
  ),
  lwsstart: message(
    '3.1.2.9',
    'lwsstart',
    `
INVITE  sip:user@example.com  SIP/2.0
${common('lwsstart')}Content-Length: 0
`,
  ),
  trws: message(
    '3.1.2.10',
    'trws',
    `
OPTIONS sip:remote-target@example.com SIP/2.0${'  '}
${common('trws', 'OPTIONS')}Content-Length: 0
`,
  ),
  escruri: message(
    '3.1.2.11',
    'escruri',
    `
INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0
${common('escruri')}Content-Length: 0
`,
  ),
  badaspec: message(
    '3.1.2.14',
    'badaspec',
    `
OPTIONS sip:user@example.org SIP/2.0
Via: SIP/2.0/UDP host4.example.com:5060;branch=z9hG4bKkdju43234
Max-Forwards: 70
From: "Bell, Alexander" <sip:a.g.bell@example.com>;tag=433423
To: "Watson, Thomas" < sip:t.watson@example.org >
Call-ID: badaspec.sdf0234n2nds0a099u23h3hnnw009cdkne3
Accept: application/sdp
CSeq: 3923239 OPTIONS
l: 0
`,
  ),
  badvers: message(
    '3.1.2.16',
    'badvers',
    `
OPTIONS sip:t.watson@example.org SIP/7.0
Via: SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw
Max-Forwards: 70
From: A. Bell <sip:a.g.bell@example.com>;tag=qweoiqpe
To: T. Watson <sip:t.watson@example.org>
Call-ID: badvers.31417@c.example.com
CSeq: 1 OPTIONS
l: 0
`,
  ),
  mismatch01: message(
    '3.1.2.17',
    'mismatch01',
    `
OPTIONS sip:user@example.com SIP/2.0
${common('mismatch01', 'INVITE')}l: 0
`,
  ),
  mismatch02: message(
    '3.1.2.18',
    'mismatch02',
    `
NEWMETHOD sip:user@example.com SIP/2.0
${common('mismatch02', 'INVITE')}l: 0
`,
  ),
  bigcode: message(
    '3.1.2.19',
    'bigcode',
    `
SIP/2.0 4294967301 better not break the receiver
Via: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe
Call-ID: bigcode.asdof3uj203asdnf3429uasdhfas3ehjasdfas9i
CSeq: 353494 INVITE
From: <sip:user@example.com>;tag=39ansfi3
To: <sip:user@example.edu>;tag=902jndnke3
Content-Length: 0
Contact: <sip:user@host105.example.com>
`,
  ),
  insuf: message(
    '3.3.1',
    'insuf',
    `
INVITE sip:user@example.com SIP/2.0
CSeq: 193942 INVITE
Via: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf
Content-Type: application/sdp
l: ${SDP.length}
`,
    SDP,
  ),
  multi01: message(
    '3.3.8',
    'multi01',
    `
INVITE sip:user@company.com SIP/2.0
Contact: <sip:caller@host25.example.net>
Via: SIP/2.0/UDP 192.0.2.25;branch=z9hG4bKkdjuw
Max-Forwards: 70
CSeq: 5 INVITE
Call-ID: multi01.98asdh@192.0.2.1
CSeq: 59 INVITE
Call-ID: multi01.98asdh@192.0.2.2
From: sip:caller@example.com;tag=3413415
To: sip:user@example.com
To: sip:other@example.net
From: sip:caller@example.net;tag=2923420123
Content-Type: application/sdp
l: ${SDP.length}
Contact: <sip:caller@host36.example.net>
Max-Forwards: 5
`,
    SDP,
  ),
  mcl01: message(
    '3.3.9',
    'mcl01',
    `
OPTIONS sip:user@example.com SIP/2.0
${common('mcl01', 'OPTIONS')}Content-Length: 13
Content-Length: 5
Content-Type: text/plain
`,
    'There is no way to know how many octets are supposed to be here.',
  ),
} as const

/** Well formed, or to be read with goodwill; what is odd about them is for layers above the parser to judge. */
export const ABOVE = {
  baddate: message(
    '3.1.2.12',
    'baddate',
    `
INVITE sip:user@example.com SIP/2.0
${common('baddate')}Date: Fri, 01 Jan 2010 16:00:00 EST
Content-Length: 0
`,
  ),
  regbadct: message(
    '3.1.2.13',
    'regbadct',
    `
REGISTER sip:example.com SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=998332
Max-Forwards: 70
Call-ID: regbadct.k345asrl3fdbv@10.0.0.1
CSeq: 1 REGISTER
Via: SIP/2.0/UDP 135.180.130.133:5060;branch=z9hG4bKkdjuw
Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E
l: 0
`,
  ),
  baddn: message(
    '3.1.2.15',
    'baddn',
    `
OPTIONS sip:t.watson@example.org SIP/2.0
Via: SIP/2.0/UDP c.example.com:5060;branch=z9hG4bKkdjuw
Max-Forwards: 70
From: Bell, Alexander <sip:a.g.bell@example.com>;tag=43
To: Watson, Thomas <sip:t.watson@example.org>
Call-ID: baddn.31415@c.example.com
Accept: application/sdp
CSeq: 3923239 OPTIONS
l: 0
`,
  ),
  badbranch: message(
    '3.2.1',
    'badbranch',
    `
OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: sip:caller@example.org;tag=33242
Max-Forwards: 3
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK
Accept: application/sdp
Call-ID: badbranch.sadonfo23i420jv0as0derf3j3n
CSeq: 8 OPTIONS
l: 0
`,
  ),
  unkscm: message(
    '3.3.2',
    'unkscm',
    `
OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0
${common('unkscm', 'OPTIONS')}Content-Length: 0
`,
  ),
  novelsc: message(
    '3.3.3',
    'novelsc',
    `
OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0
${common('novelsc', 'OPTIONS')}Content-Length: 0
`,
  ),
  unksm2: message(
    '3.3.4',
    'unksm2',
    `
REGISTER sip:example.com SIP/2.0
To: isbn:2983792873
From: <http://www.example.com>;tag=3234233
Call-ID: unksm2.daksdj@hyphenated-host.example.com
CSeq: 234902 REGISTER
Max-Forwards: 70
Via: SIP/2.0/UDP 192.0.2.21:5060;branch=z9hG4bKkdjuw
Contact: <name:John_Smith>
l: 0
`,
  ),
  bext01: message(
    '3.3.5',
    'bext01',
    `
OPTIONS sip:user@example.com SIP/2.0
${common('bext01', 'OPTIONS')}Require: nothingSupportsThis, nothingSupportsThisEither
Proxy-Require: noProxiesSupportThis, norDoAnyProxiesSupportThis
Content-Length: 0
`,
  ),
  invut: message(
    '3.3.6',
    'invut',
    `
INVITE sip:user@example.com SIP/2.0
Contact: <sip:caller@host5.example.net>
${common('invut')}Content-Type: application/unknownformat
Content-Length: @
`,
    '<audio>\r\n <pcmu port="443"/>\r\n</audio>\r\n',
  ),
  regaut01: message(
    '3.3.7',
    'regaut01',
    `
REGISTER sip:example.com SIP/2.0
To: sip:j.user@example.com
From: sip:j.user@example.com;tag=87321hj23128
Max-Forwards: 8
Call-ID: regaut01.0ha0isndaksdj
CSeq: 9338 REGISTER
Via: SIP/2.0/TCP 192.0.2.253;branch=z9hG4bKkdjuw
Authorization: NoOneKnowsThisScheme opaque-data=here
Content-Length:0
`,
  ),
  bcast: message(
    '3.3.10',
    'bcast',
    `
SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923
Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23
Call-ID: bcast.0384840201234ksdfak3j2erwedfsASdf
CSeq: 35 INVITE
From: sip:user@example.com;tag=11141343
To: sip:user@example.edu;tag=2229
Content-Length: @
Content-Type: application/sdp
Contact: <sip:user@host28.example.com>
`,
    SDP,
  ),
  zeromf: message(
    '3.3.11',
    'zeromf',
    `
OPTIONS sip:user@example.com SIP/2.0
${common('zeromf', 'OPTIONS').replace('Max-Forwards: 70', 'Max-Forwards: 0')}Content-Length: 0
`,
  ),
  cparam01: message(
    '3.3.12',
    'cparam01',
    `
REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/UDP saturn.example.com:5060;branch=z9hG4bKkdjuw
Max-Forwards: 70
From: sip:watson@example.com;tag=DkfVgjkrtMwaerKKpe
To: sip:watson@example.com
Call-ID: cparam01.70710@saturn.example.com
CSeq: 2 REGISTER
Contact: sip:+19725552222@gw1.example.net;unknownparam
l: 0
`,
  ),
  cparam02: message(
    '3.3.13',
    'cparam02',
    `
REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/UDP saturn.example.com:5060;branch=z9hG4bKkdjuw
Max-Forwards: 70
From: sip:watson@example.com;tag=838293
To: sip:watson@example.com
Call-ID: cparam02.70710@saturn.example.com
CSeq: 3 REGISTER
Contact: <sip:+19725552222@gw1.example.net;unknownparam>
l: 0
`,
  ),
  regescrt: message(
    '3.3.14',
    'regescrt',
    `
REGISTER sip:example.com SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=8
Max-Forwards: 70
Call-ID: regescrt.k345asrl3fdbv@192.0.2.1
CSeq: 14398234 REGISTER
Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdjuw
M: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>
L:0
`,
  ),
  sdp01: message(
    '3.3.15',
    'sdp01',
    `
INVITE sip:user@example.com SIP/2.0
Contact: <sip:caller@host15.example.net>
${common('sdp01')}Accept: text/nobodyKnowsThis
Content-Type: application/sdp
Content-Length: @
`,
    SDP,
  ),
  inv2543: message(
    '3.4.1',
    'inv2543',
    `
INVITE sip:UserB@example.com SIP/2.0
Via: SIP/2.0/UDP iftgw.example.com
From: <sip:+13035551111@ift.client.example.net;user=phone>
Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>
To: sip:+16505552222@ss1.example.net;user=phone
Call-ID: inv2543.1717@ift.client.example.com
CSeq: 56 INVITE
Content-Type: application/sdp
Content-Length: @
`,
    SDP,
  ),
} as const
