#include "srtp.h"

#include <cstring>

#include "bytes.h"
#include "rtp.h"
#include "srtp_index.h"

namespace webtrunk {

namespace {

constexpr size_t kIndexWord = 4;
constexpr uint32_t kRtcpIndexEnd = 0x80000000;
/** Ten seconds of audio before the wrap; a peer has taken a new key by then (RFC 3711 §3.3.1). */
constexpr uint16_t kLateStart = 0x10000 - 512;
/** Lengths of master key identifiers that are seen in the field. */
constexpr size_t kMkiLengths[] = {1, 2, 4};
/** No audio packet is longer. */
constexpr size_t kMaxAskedLength = 1'500;

}  // namespace

std::unique_ptr<SrtpReceiver> SrtpReceiver::create(Suite suite, const uint8_t* key_salt, size_t length) {
  std::unique_ptr<SrtpReceiver> receiver(new SrtpReceiver(suite));
  return receiver->cipher_.set_master_key(key_salt, length) ? std::move(receiver) : nullptr;
}

void SrtpReceiver::expect_mki(const SrtpMki& mki) {
  mki_ = mki.length == 0 ? nullptr : std::make_unique<const SrtpMki>(mki);
}

SrtpReceiver::Stream* SrtpReceiver::find(uint32_t ssrc) {
  if (!has_stream_) return nullptr;
  if (first_stream_.ssrc == ssrc) return &first_stream_;
  for (Stream& stream : more_streams_) {
    if (stream.ssrc == ssrc) return &stream;
  }
  return nullptr;
}

SrtpReceiver::Stream* SrtpReceiver::add(uint32_t ssrc) {
  if (more_streams_.size() == kMaxSsrcs - 1) return nullptr;
  Stream& added = has_stream_ ? more_streams_.emplace_back() : first_stream_;
  has_stream_ = true;
  added.ssrc = ssrc;
  return &added;
}

bool SrtpReceiver::strip_mki(uint8_t* packet, size_t& length, size_t tag_length) const {
  if (mki_ == nullptr) return true;
  // RFC 3711 §3.1, §3.4: before the tag. RFC 7714 §8.1, §9.2: the tag is part of the ciphertext, the identifier comes last.
  const size_t behind = cipher_.suite().is_aead ? 0 : tag_length;
  length -= mki_->length;
  uint8_t* mki = packet + length - behind;
  if (std::memcmp(mki, mki_->bytes.data(), mki_->length) != 0) return false;
  std::memmove(mki, mki + mki_->length, behind);
  return true;
}

bool SrtpReceiver::has_undescribed_mki(const uint8_t* packet, const RtpHeader& header, size_t length, uint64_t index) {
  if (sees_undescribed_mki_) return true;
  // With AES-GCM the failed try has decrypted the packet already.
  if (mki_questions_left_ == 0 || mki_ != nullptr || cipher_.suite().is_aead || length > kMaxAskedLength) return false;
  mki_questions_left_--;
  const size_t tag_length = cipher_.suite().rtp_tag_length;
  for (const size_t mki_length : kMkiLengths) {
    if (length < header.header_length + mki_length + tag_length) return false;
    const size_t plain_length = length - mki_length - tag_length;
    std::array<uint8_t, kMaxAskedLength> without;
    std::memcpy(without.data(), packet, plain_length);
    std::memcpy(without.data() + plain_length, packet + length - tag_length, tag_length);
    if (cipher_.open_rtp(without.data(), header.header_length, plain_length, header.ssrc, index) != Drop::none) continue;
    sees_undescribed_mki_ = true;
    return true;
  }
  return false;
}

Outcome SrtpReceiver::unprotect_rtp(uint8_t* packet, size_t length) {
  RtpHeader header;
  if (const Drop drop = parse_rtp_header(packet, length, header); drop != Drop::none) return Outcome::dropped(drop);
  const size_t tag_length = cipher_.suite().rtp_tag_length;
  if (length < header.header_length + mki_length() + tag_length) return Outcome::dropped(Drop::srtp_too_short);
  if (!strip_mki(packet, length, tag_length)) return Outcome::dropped(Drop::srtp_wrong_mki);

  Stream* stream = find(header.ssrc);
  const ReplayWindow unseen;
  const ReplayWindow& window = stream == nullptr ? unseen : stream->rtp;
  const std::optional<uint64_t> index = estimate_srtp_index(window, header.sequence);
  if (!index || !window.is_fresh(*index)) return Outcome::dropped(Drop::srtp_replay);

  const size_t plain_length = length - tag_length;
  const Drop drop = cipher_.open_rtp(packet, header.header_length, plain_length, header.ssrc, *index);
  if (drop != Drop::none) {
    const bool is_mki = drop == Drop::srtp_auth_failed && has_undescribed_mki(packet, header, length, *index);
    return Outcome::dropped(is_mki ? Drop::srtp_unexpected_mki : drop);
  }

  if (stream == nullptr) stream = add(header.ssrc);
  if (stream == nullptr) return Outcome::dropped(Drop::srtp_too_many_ssrcs);
  stream->rtp.commit(*index);
  return Outcome::kept(plain_length);
}

Outcome SrtpReceiver::unprotect_rtcp(uint8_t* packet, size_t length) {
  const SuiteParameters& suite = cipher_.suite();
  const size_t trailer_length = suite.rtcp_tag_length + kIndexWord;
  if (length < kRtcpFixedHeader + mki_length() + trailer_length) return Outcome::dropped(Drop::srtp_too_short);
  if (packet[0] >> 6 != 2) return Outcome::dropped(Drop::rtcp_bad_header);
  if (!strip_mki(packet, length, suite.rtcp_tag_length)) return Outcome::dropped(Drop::srtp_wrong_mki);
  const size_t plain_length = length - trailer_length;
  // RFC 3711 §3.4: index, then tag. RFC 7714 §9.2: tag, then index.
  const uint32_t word = read_u32(packet + plain_length + (suite.is_aead ? suite.rtcp_tag_length : 0));
  const uint32_t index = word & (kRtcpIndexEnd - 1);
  const uint32_t ssrc = read_u32(packet + 4);

  Stream* stream = find(ssrc);
  if (stream != nullptr && !stream->rtcp.is_fresh(index)) return Outcome::dropped(Drop::srtp_replay);

  const Drop drop = cipher_.open_rtcp(packet, plain_length, ssrc, word);
  if (drop != Drop::none) return Outcome::dropped(drop);

  if (stream == nullptr) stream = add(ssrc);
  if (stream == nullptr) return Outcome::dropped(Drop::srtp_too_many_ssrcs);
  stream->rtcp.commit(index);
  return Outcome::kept(plain_length);
}

std::unique_ptr<SrtpSender> SrtpSender::create(Suite suite, const uint8_t* key_salt, size_t length, uint32_t ssrc) {
  std::unique_ptr<SrtpSender> sender(new SrtpSender(suite, ssrc));
  return sender->cipher_.set_master_key(key_salt, length) ? std::move(sender) : nullptr;
}

uint16_t SrtpSender::sequence_ahead(uint16_t wanted) const {
  if (sent_.is_empty()) return wanted >= kLateStart ? 0 : wanted;
  const std::optional<uint64_t> index = estimate_srtp_index(sent_, wanted);
  return index && *index > sent_.highest() ? wanted : static_cast<uint16_t>(sent_.highest() + 1);
}

Outcome SrtpSender::protect_rtp(uint8_t* packet, size_t length, size_t capacity) {
  RtpHeader header;
  if (const Drop drop = parse_rtp_header(packet, length, header); drop != Drop::none) return Outcome::dropped(drop);
  if (header.ssrc != ssrc_) return Outcome::dropped(Drop::srtp_wrong_ssrc);
  const size_t tag_length = cipher_.suite().rtp_tag_length;
  if (length > capacity || capacity - length < tag_length) return Outcome::dropped(Drop::srtp_no_room);

  const std::optional<uint64_t> index = estimate_srtp_index(sent_, header.sequence);
  if (!index || !sent_.is_fresh(*index)) return Outcome::dropped(Drop::srtp_index_reused);
  // Before anything is encrypted: whatever happens now, this index is used.
  sent_.commit(*index);
  if (!cipher_.seal_rtp(packet, header.header_length, length, ssrc_, *index)) {
    return Outcome::dropped(Drop::srtp_cipher_failed);
  }
  return Outcome::kept(length + tag_length);
}

Outcome SrtpSender::protect_rtcp(uint8_t* packet, size_t length, size_t capacity) {
  if (length < kRtcpFixedHeader || packet[0] >> 6 != 2) return Outcome::dropped(Drop::rtcp_bad_header);
  if (read_u32(packet + 4) != ssrc_) return Outcome::dropped(Drop::srtp_wrong_ssrc);
  const size_t trailer_length = cipher_.suite().rtcp_tag_length + kIndexWord;
  if (length > capacity || capacity - length < trailer_length) return Outcome::dropped(Drop::srtp_no_room);
  if (next_rtcp_index_ == kRtcpIndexEnd) return Outcome::dropped(Drop::srtp_key_used_up);

  const uint32_t index = next_rtcp_index_++;
  if (!cipher_.seal_rtcp(packet, length, ssrc_, index)) return Outcome::dropped(Drop::srtp_cipher_failed);
  return Outcome::kept(length + trailer_length);
}

}  // namespace webtrunk
