#pragma once

#include <cstdlib>

#include "engine/operation.h"

namespace vethwork::fuzz {

inline const NetlinkOperation& operation(std::string_view name) {
  return std::get<NetlinkOperation>(findOperation(name)->how);
}

/// Aborts unless the messages fill the batch completely.
inline void checkBatch(Batch& batch) {
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

/// Encodes a decoded object. The only permitted error is a ValidationError, and the messages must fill the batch
/// completely.
inline void rewrite(std::string_view name, const Map& arguments) {
  Batch batch;
  Encoder encoder{.batch = batch};
  try {
    operation(name).encode(arguments, encoder);
  } catch (const ValidationError&) {
    return;
  }
  checkBatch(batch);
}

}  // namespace vethwork::fuzz
