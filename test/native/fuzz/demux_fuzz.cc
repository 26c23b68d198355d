#include "demux.h"
#include "fuzz/input.h"

using namespace webtrunk;

/** Any datagram: one class; a ufrag only from STUN, and only inside the datagram. */
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<uint8_t> datagram = Input(data, size).rest();
  const DatagramKind kind = classify(datagram.data(), datagram.size());
  const std::string_view ufrag = stun_local_ufrag(datagram.data(), datagram.size());
  if (is_stun(datagram.data(), datagram.size())) MUST(kind == DatagramKind::stun);
  if (ufrag.empty()) return 0;
  MUST(is_stun(datagram.data(), datagram.size()));
  const auto* first = reinterpret_cast<const uint8_t*>(ufrag.data());
  MUST(first >= datagram.data() + 24 && first + ufrag.size() < datagram.data() + datagram.size());
  MUST(first[ufrag.size()] == ':' && ufrag.find(':') == std::string_view::npos && ufrag.size() <= 256);
  return 0;
}
