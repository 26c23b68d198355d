#include "socket_ring.h"

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace webtrunk {

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t) && std::atomic<uint32_t>::is_always_lock_free,
              "the kernel's counters are read in place");

/** IORING_FEAT_RSRC_TAGS, by its number: headers older than 5.13 have no name for it. */
constexpr uint32_t kFeatureOf513 = 1U << 10;

SocketRing::SocketRing() {
  io_uring_params parameters{};
  ring_ = Fd(static_cast<int>(syscall(__NR_io_uring_setup, kSize, &parameters)));
  if (ring_.is_open() && !map(parameters)) ring_.close();
}

SocketRing::~SocketRing() { unmap(); }

/** False where the kernel is older than what is used here: one mapping for both rings (5.4), receiving with control data (5.13). */
bool SocketRing::map(const io_uring_params& parameters) {
  constexpr uint32_t kNeeded = IORING_FEAT_SINGLE_MMAP | kFeatureOf513;
  if ((parameters.features & kNeeded) != kNeeded) return false;
  rings_length_ = std::max(parameters.sq_off.array + parameters.sq_entries * sizeof(uint32_t),
                           parameters.cq_off.cqes + parameters.cq_entries * sizeof(io_uring_cqe));
  entries_length_ = parameters.sq_entries * sizeof(io_uring_sqe);
  const int access = PROT_READ | PROT_WRITE;
  rings_ = mmap(nullptr, rings_length_, access, MAP_SHARED | MAP_POPULATE, ring_.get(), IORING_OFF_SQ_RING);
  entries_ = mmap(nullptr, entries_length_, access, MAP_SHARED | MAP_POPULATE, ring_.get(), IORING_OFF_SQES);
  if (rings_ == MAP_FAILED || entries_ == MAP_FAILED) return false;

  auto* base = static_cast<uint8_t*>(rings_);
  submit_tail_ = reinterpret_cast<std::atomic<uint32_t>*>(base + parameters.sq_off.tail);
  submit_order_ = reinterpret_cast<uint32_t*>(base + parameters.sq_off.array);
  submit_mask_ = *reinterpret_cast<uint32_t*>(base + parameters.sq_off.ring_mask);
  complete_head_ = reinterpret_cast<std::atomic<uint32_t>*>(base + parameters.cq_off.head);
  complete_tail_ = reinterpret_cast<std::atomic<uint32_t>*>(base + parameters.cq_off.tail);
  completions_ = base + parameters.cq_off.cqes;
  complete_mask_ = *reinterpret_cast<uint32_t*>(base + parameters.cq_off.ring_mask);
  return true;
}

void SocketRing::unmap() {
  if (rings_ != nullptr && rings_ != MAP_FAILED) munmap(rings_, rings_length_);
  if (entries_ != nullptr && entries_ != MAP_FAILED) munmap(entries_, entries_length_);
}

void SocketRing::add_receive(const Fd& socket, msghdr* header) { add(IORING_OP_RECVMSG, socket, header); }

void SocketRing::add_send(const Fd& socket, msghdr* header) { add(IORING_OP_SENDMSG, socket, header); }

void SocketRing::add(uint8_t operation, const Fd& socket, msghdr* header) {
  const uint32_t at = (submit_tail_->load(std::memory_order_relaxed) + added_) & submit_mask_;
  io_uring_sqe& entry = static_cast<io_uring_sqe*>(entries_)[at];
  entry = {};
  entry.opcode = operation;
  entry.fd = socket.get();
  entry.addr = reinterpret_cast<uintptr_t>(header);
  entry.len = 1;
  // Without it an empty socket would be waited for.
  entry.msg_flags = MSG_DONTWAIT;
  entry.user_data = added_;
  submit_order_[at] = at;
  results_[added_] = -EIO;
  added_++;
}

void SocketRing::carry_out() {
  const uint32_t count = added_;
  added_ = 0;
  submit_tail_->store(submit_tail_->load(std::memory_order_relaxed) + count, std::memory_order_release);
  uint32_t submitted = 0;
  for (uint32_t done = 0; done < count; done += static_cast<uint32_t>(reap())) {
    const long result = syscall(__NR_io_uring_enter, ring_.get(), count - submitted, count - done, IORING_ENTER_GETEVENTS,
                                nullptr, 0);
    if (result >= 0) {
      submitted += static_cast<uint32_t>(result);
    } else if (errno != EINTR) {
      ring_.close();
      return;
    }
  }
}

/** How many completions there were. */
size_t SocketRing::reap() {
  const auto* completions = static_cast<const io_uring_cqe*>(completions_);
  const uint32_t head = complete_head_->load(std::memory_order_relaxed);
  const uint32_t tail = complete_tail_->load(std::memory_order_acquire);
  for (uint32_t at = head; at != tail; at++) {
    const io_uring_cqe& completion = completions[at & complete_mask_];
    results_[completion.user_data] = completion.res;
  }
  complete_head_->store(tail, std::memory_order_release);
  return tail - head;
}

}  // namespace webtrunk
