#pragma once

#include <cstdlib>

#include "engine/operation.h"

namespace vethwork::fuzz {

inline const NetlinkOperation& operation(std::string_view name) {
  return std::get<NetlinkOperation>(findOperation(name)->how);
}

/// Writes an object that was read: it may be refused, but by nothing else than a ValidationError, and the messages that
/// come of it fill the batch to its last byte.
inline void rewrite(std::string_view name, const Map& arguments) {
  Batch batch;
  Encoder encoder{.batch = batch};
  try {
    operation(name).encode(arguments, encoder);
  } catch (const ValidationError&) {
    return;
  }
  if (batch.error()) {
    return;
  }
  batch.seal(1);
  MessageReader reader(batch.bytes());
  std::size_t count = 0;
  std::size_t bytes = 0;
  while (const auto message = reader.next()) {
    ++count;
    bytes += NLMSG_ALIGN(message->header.nlmsg_len);
  }
  if (count != batch.size() || bytes != batch.bytes().size()) {
    std::abort();
  }
}

}  // namespace vethwork::fuzz
