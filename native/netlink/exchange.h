#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "netlink/batch.h"
#include "netlink/reader.h"
#include "netlink/transport.h"

namespace vethwork {

/// Outcome of one message. `error` is an errno, 0 on success.
struct Outcome {
  int error = 0;
  /// Message of the kernel, and offset of the rejected attribute (extended acknowledgement).
  std::string text;
  std::optional<std::uint32_t> offset;
};

using MessageHandler = std::function<void(const Message&)>;
/// Called with the index of the answered message in its batch.
using ReplyHandler = std::function<void(std::size_t position, const Message&)>;

/// Sends requests and assigns the answers: every message of a batch gets exactly one outcome.
class Exchange {
 public:
  explicit Exchange(Transport& transport) : transport_(transport) {}

  /// Sends a batch and returns one outcome per message, in order. Replies other than acknowledgements are passed to
  /// `onReply`.
  std::vector<Outcome> request(Batch& batch, const ReplyHandler& onReply = {});

  /// Sends a dump request, the only message of the batch, and passes on every answer. A dump that was inconsistent
  /// (NLM_F_DUMP_INTR) is repeated a limited number of times; `onRestart` discards the answers passed on so far.
  Outcome dump(Batch& batch, const MessageHandler& onReply, const std::function<void()>& onRestart);

 private:
  enum class DumpEnd { complete, interrupted };
  Outcome dumpOnce(Batch& batch, const MessageHandler& onReply, DumpEnd& end);

  Transport& transport_;
  std::uint32_t sequence_ = 1;
};

}  // namespace vethwork
