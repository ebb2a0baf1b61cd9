// Property: no reader returns bytes outside of the datagram, whatever the lengths in it.
#include "netlink/reader.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const vethwork::Span datagram{data, size};
  const auto check = [&](vethwork::Span part) {
    if (!part.empty() && (part.data() < data || part.data() + part.size() > data + size)) std::abort();
  };
  vethwork::MessageReader messages{datagram};
  while (const auto message = messages.next()) {
    check(message->payload);
    vethwork::AttributeReader attributes{message->payload};
    while (const auto attribute = attributes.next()) {
      check(attribute->payload);
      vethwork::AttributeReader nested{attribute->payload};
      while (const auto inner = nested.next()) check(inner->payload);
    }
  }
  return 0;
}
