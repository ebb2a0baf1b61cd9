#include "netlink/reader.h"

#include <algorithm>
#include <cerrno>

namespace vethwork {

std::optional<Attribute> AttributeReader::next() {
  const auto header = readAs<nlattr>(rest_);
  if (!header || header->nla_len < NLA_HDRLEN || header->nla_len > rest_.size()) {
    rest_ = {};
    return std::nullopt;
  }
  const Attribute attribute{
      .type = static_cast<std::uint16_t>(header->nla_type & NLA_TYPE_MASK),
      .payload = rest_.subspan(NLA_HDRLEN, header->nla_len - NLA_HDRLEN),
  };
  rest_ = rest_.subspan(std::min<std::size_t>(NLA_ALIGN(header->nla_len), rest_.size()));
  return attribute;
}

std::optional<Span> findAttribute(Span attributes, std::uint16_t type) {
  AttributeReader reader(attributes);
  while (const auto attribute = reader.next()) {
    if (attribute->type == type) {
      return attribute->payload;
    }
  }
  return std::nullopt;
}

int reportedErrno(int number) {
  constexpr int maximum = 4095;  // MAX_ERRNO
  return number > 0 || number < -maximum ? EBADMSG : -number;
}

std::optional<Message> MessageReader::next() {
  const auto header = readAs<nlmsghdr>(rest_);
  if (!header || header->nlmsg_len < NLMSG_HDRLEN || header->nlmsg_len > rest_.size()) {
    rest_ = {};
    return std::nullopt;
  }
  const Message message{.header = *header, .payload = rest_.subspan(NLMSG_HDRLEN, header->nlmsg_len - NLMSG_HDRLEN)};
  rest_ = rest_.subspan(std::min<std::size_t>(NLMSG_ALIGN(header->nlmsg_len), rest_.size()));
  return message;
}

}  // namespace vethwork
