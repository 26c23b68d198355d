#include "certificate.h"
#include "dtls.h"
#include "fuzz/input.h"

using namespace webtrunk;

namespace {

using Session = std::unique_ptr<DtlsSession>;

const DtlsContext& context() {
  static const std::unique_ptr<DtlsContext> made = [] {
    CertificatePem pem;
    std::string error;
    MUST(create_certificate("fuzz", 30, {}, pem, error));
    return DtlsContext::create(pem.certificate, pem.private_key, {Suite::aead_aes_128_gcm}, 1200, error);
  }();
  return *made;
}

void carry(DtlsSession& from, DtlsSession& to) {
  for (const auto& datagram : from.take()) to.feed(datagram.data(), datagram.size());
}

struct Pair {
  Session server = DtlsSession::create(context(), DtlsRole::server);
  Session client = DtlsSession::create(context(), DtlsRole::client);

  explicit Pair(int flights) {
    client->start();
    for (int flight = 0; flight < flights; ++flight) {
      if (flight % 2 == 0) {
        carry(*client, *server);
      } else {
        carry(*server, *client);
      }
    }
  }
};

/** Kept over inputs: nothing that comes without its keys may ever end it. */
Pair& connected() {
  static Pair pair(6);
  return pair;
}

/** Datagrams of any kind, with a length each; record and handshake headers often made to fit. */
void feed_any(DtlsSession& session, Input& input) {
  while (!input.is_empty()) {
    const uint8_t shape = input.byte();
    std::vector<uint8_t> datagram = input.bytes(input.word() % 1500);
    if ((shape & 1) != 0 && datagram.size() >= 13) {
      const size_t body = datagram.size() - 13;
      datagram[0] = static_cast<uint8_t>(20 + shape % 5);
      datagram[1] = 0xfe;
      datagram[2] = 0xfd;
      datagram[3] = 0;
      datagram[4] = (shape & 2) != 0 ? 1 : 0;
      datagram[11] = static_cast<uint8_t>(body >> 8);
      datagram[12] = static_cast<uint8_t>(body);
    }
    session.feed(datagram.data(), datagram.size());
    session.take();
  }
}

/** A genuine flight with changes from the input. */
void feed_changed(DtlsSession& from, DtlsSession& to, Input& input) {
  for (auto datagram : from.take()) {
    for (uint8_t changes = input.byte() % 4; changes > 0; --changes) {
      datagram[input.word() % datagram.size()] ^= input.byte();
    }
    if (input.byte() % 8 == 0) datagram.resize(input.word() % datagram.size() + 1);
    datagram.shrink_to_fit();
    to.feed(datagram.data(), datagram.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const uint8_t mode = input.byte() % 8;
  if (mode < 3) {
    Pair& pair = connected();
    DtlsSession& session = mode == 0 ? *pair.client : *pair.server;
    MUST(session.state() == DtlsState::connected);
    feed_any(session, input);
    MUST(session.state() == DtlsState::connected);
    MUST(session.timeout_ms() == -1);
    return 0;
  }
  if (mode == 3) {
    feed_any(*DtlsSession::create(context(), DtlsRole::server), input);
    return 0;
  }
  // Flights 1 to 4 were genuine; the next is not quite.
  Pair pair(mode - 4);
  const bool is_from_client = mode % 2 == 0;
  DtlsSession& from = is_from_client ? *pair.client : *pair.server;
  DtlsSession& to = is_from_client ? *pair.server : *pair.client;
  feed_changed(from, to, input);
  feed_any(to, input);
  to.peer_fingerprint("sha-256");
  to.close();
  MUST(to.state() == DtlsState::closed || to.state() == DtlsState::failed);
  return 0;
}
