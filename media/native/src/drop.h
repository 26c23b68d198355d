#pragma once

#include <cstddef>
#include <cstdint>

namespace webtrunk {

/** Why a packet went no further: symbol and the name its counter has. */
#define WEBTRUNK_DROPS(X)                                      \
  X(none, "none")                                              \
  X(rtp_too_short, "rtp.too-short")                            \
  X(rtp_bad_header, "rtp.bad-header")                          \
  X(rtp_empty, "rtp.empty")                                    \
  X(rtp_stale, "rtp.stale")                                    \
  X(rtp_unmapped, "rtp.unmapped-payload-type")                 \
  X(rtcp_bad_header, "rtcp.bad-header")                        \
  X(srtp_too_short, "srtp.too-short")                          \
  X(srtp_replay, "srtp.replay")                                \
  X(srtp_auth_failed, "srtp.auth-failed")                      \
  X(srtp_wrong_mki, "srtp.wrong-mki")                          \
  X(srtp_unexpected_mki, "srtp.unexpected-mki")                \
  X(srtp_too_many_ssrcs, "srtp.too-many-ssrcs")                \
  X(srtp_no_keys, "srtp.no-keys")                              \
  X(srtp_wrong_ssrc, "srtp.wrong-ssrc")                        \
  X(srtp_index_reused, "srtp.index-reused")                    \
  X(srtp_key_used_up, "srtp.key-used-up")                      \
  X(srtp_no_room, "srtp.no-room")                              \
  X(srtp_cipher_failed, "srtp.cipher-failed")                  \
  X(media_wrong_source, "media.wrong-source")                  \
  X(media_no_source_port, "media.no-source-port")              \
  X(media_no_route, "media.no-route")                          \
  X(media_no_target, "media.no-target")                        \
  X(media_send_failed, "media.send-failed")                    \
  X(media_unknown_kind, "media.unknown-kind")                  \
  X(media_too_long, "media.too-long")                          \
  X(media_receive_overflow, "media.receive-overflow")          \
  X(media_not_admitted, "media.not-admitted")                  \
  X(media_unmatched, "media.unmatched")                        \
  X(media_contested, "media.contested")                        \
  X(media_playing, "media.playing")                            \
  X(media_key_down, "media.key-down")                          \
  X(media_late, "media.late")                                  \
  X(media_rate, "media.rate")                                  \
  X(media_shed, "media.shed")                                  \
  X(media_crossing_full, "media.crossing-full")                \
  X(media_crossing_late, "media.crossing-late")                \
  X(dtmf_bad_event, "dtmf.bad-event")                          \
  X(dtmf_rate, "dtmf.rate")                                    \
  X(dtmf_queue_full, "dtmf.queue-full")                        \
  X(media_up_rate, "media.up-rate")                            \
  X(media_mailbox_full, "media.mailbox-full")                  \
  X(stun_unknown_ufrag, "stun.unknown-ufrag")                  \
  X(stun_rate, "stun.rate")                                    \
  X(stun_tuple_in_use, "stun.tuple-in-use")                    \
  X(dtls_not_admitted, "dtls.not-admitted")                    \
  X(media_queue_full, "media.queue-full")

enum class Drop : uint8_t {
#define WEBTRUNK_DROP(symbol, name) symbol,
  WEBTRUNK_DROPS(WEBTRUNK_DROP)
#undef WEBTRUNK_DROP
};

inline constexpr const char* kDropNames[] = {
#define WEBTRUNK_DROP(symbol, name) name,
    WEBTRUNK_DROPS(WEBTRUNK_DROP)
#undef WEBTRUNK_DROP
};

inline constexpr size_t kDropCount = sizeof(kDropNames) / sizeof(kDropNames[0]);

inline constexpr const char* drop_name(Drop drop) { return kDropNames[static_cast<size_t>(drop)]; }

/** What a step of the packet path yields: the new length of the packet, or why it was dropped. */
struct Outcome {
  Drop drop;
  size_t length;

  static constexpr Outcome kept(size_t length) { return {Drop::none, length}; }
  static constexpr Outcome dropped(Drop drop) { return {drop, 0}; }
  constexpr explicit operator bool() const { return drop == Drop::none; }
};

}  // namespace webtrunk
