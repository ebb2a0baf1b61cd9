#include "netlink/batch.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace vethwork {
namespace {

constexpr std::size_t maximumAttribute = std::numeric_limits<std::uint16_t>::max();

}  // namespace

void Batch::begin(std::uint16_t type, std::uint16_t flags, Answer answer) {
  messages_.push_back({.offset = bytes_.size(), .answer = answer});
  const nlmsghdr header{.nlmsg_len = 0,
                        .nlmsg_type = type,
                        .nlmsg_flags = static_cast<__u16>(flags | NLM_F_REQUEST),
                        .nlmsg_seq = 0,
                        .nlmsg_pid = 0};
  write(&header, sizeof header);
}

void Batch::put(std::uint16_t attribute, std::span<const std::uint8_t> payload) {
  const std::size_t length = NLA_HDRLEN + payload.size();
  if (length > maximumAttribute) {
    error_ = error_.value_or("an attribute of at most 65531 bytes");
    return;
  }
  const nlattr header{.nla_len = static_cast<__u16>(length), .nla_type = attribute};
  write(&header, sizeof header);
  write(payload.data(), payload.size());
}

void Batch::putText(std::uint16_t attribute, std::string_view text) {
  const std::size_t length = NLA_HDRLEN + text.size() + 1;
  if (length > maximumAttribute) {
    error_ = error_.value_or("a text of at most 65530 bytes");
    return;
  }
  const nlattr header{.nla_len = static_cast<__u16>(length), .nla_type = attribute};
  write(&header, sizeof header);
  bytes_.insert(bytes_.end(), text.begin(), text.end());
  write("", 1);
}

void Batch::putNamespace(std::uint16_t attribute, std::string netns) {
  slots_.push_back({.offset = bytes_.size() + NLA_HDRLEN, .netns = std::move(netns)});
  put(attribute, std::int32_t{-1});
}

Batch::Nest::Nest(Batch& batch, std::uint16_t attribute) : batch_(batch), start_(batch.bytes_.size()) {
  const nlattr header{.nla_len = 0, .nla_type = attribute};
  batch.write(&header, sizeof header);
}

Batch::Nest::~Nest() {
  const std::size_t length = batch_.bytes_.size() - start_;
  if (length > maximumAttribute) {
    batch_.error_ = batch_.error_.value_or("nested attributes of at most 65531 bytes together");
    return;
  }
  const auto narrow = static_cast<__u16>(length);
  std::memcpy(batch_.bytes_.data() + start_, &narrow, sizeof narrow);
}

std::size_t Batch::lastAnswered() const {
  const auto last = std::ranges::find(messages_.rbegin(), messages_.rend(), Answer::own, &Start::answer);
  return last == messages_.rend() ? messages_.size() - 1 : static_cast<std::size_t>(messages_.rend() - last) - 1;
}

void Batch::seal(std::uint32_t firstSequence) {
  const std::size_t last = messages_.empty() ? 0 : lastAnswered();
  for (std::size_t index = 0; index < messages_.size(); ++index) {
    nlmsghdr header = messageHeader(index);
    const std::size_t end = index + 1 < messages_.size() ? messages_[index + 1].offset : bytes_.size();
    header.nlmsg_len = static_cast<__u32>(end - messages_[index].offset);
    header.nlmsg_seq = firstSequence + static_cast<std::uint32_t>(index);
    if (index == last) {
      header.nlmsg_flags |= NLM_F_ACK;
    }
    setMessageHeader(index, header);
  }
}

void Batch::append(const Batch& other) {
  const std::size_t start = bytes_.size();
  bytes_.insert(bytes_.end(), other.bytes_.begin(), other.bytes_.end());
  for (const Start& message : other.messages_) {
    messages_.push_back({.offset = start + message.offset, .answer = message.answer});
  }
  for (const DescriptorSlot& slot : other.slots_) {
    slots_.push_back({.offset = start + slot.offset, .netns = slot.netns});
  }
  if (other.error_) {
    error_ = error_.value_or(*other.error_);
  }
}

void Batch::fill(std::size_t slot, int fd) {
  const std::int32_t descriptor = fd;
  std::memcpy(bytes_.data() + slots_[slot].offset, &descriptor, sizeof descriptor);
}

void Batch::addFlags(std::size_t index, std::uint16_t flags) {
  nlmsghdr header = messageHeader(index);
  header.nlmsg_flags |= flags;
  setMessageHeader(index, header);
}

void Batch::write(const void* data, std::size_t size) {
  if (size > 0) {
    const auto* bytes = static_cast<const std::uint8_t*>(data);
    bytes_.insert(bytes_.end(), bytes, bytes + size);
  }
  // Headers and attributes are aligned to four bytes.
  bytes_.resize(NLA_ALIGN(bytes_.size()));
}

nlmsghdr Batch::messageHeader(std::size_t index) const {
  nlmsghdr header;
  std::memcpy(&header, bytes_.data() + messages_[index].offset, sizeof header);
  return header;
}

void Batch::setMessageHeader(std::size_t index, const nlmsghdr& header) {
  std::memcpy(bytes_.data() + messages_[index].offset, &header, sizeof header);
}

}  // namespace vethwork
