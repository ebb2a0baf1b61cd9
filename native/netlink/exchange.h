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

/// How the kernel answered one message. `error` is an errno, 0 for success.
struct Outcome {
  int error = 0;
  /// The kernel's own sentence, and the offset of the attribute it is about (extended acknowledgement).
  std::string text;
  std::optional<std::uint32_t> offset;
};

using MessageHandler = std::function<void(const Message&)>;
/// With the position in its batch of the message that is answered.
using ReplyHandler = std::function<void(std::size_t position, const Message&)>;

/// Sends requests and sorts the answers: every message of a batch gets exactly one outcome.
class Exchange {
 public:
  explicit Exchange(Transport& transport) : transport_(transport) {}

  /// One outcome a message, in order. Replies other than acknowledgements go to `onReply`.
  std::vector<Outcome> request(Batch& batch, const ReplyHandler& onReply = {});

  /// Sends the batch's only message, a dump request, and passes on every answer. A dump that the kernel interrupted
  /// because its objects changed is started again, a bounded number of times: `onRestart` forgets what was passed on.
  Outcome dump(Batch& batch, const MessageHandler& onReply, const std::function<void()>& onRestart);

 private:
  enum class DumpEnd { complete, interrupted };
  Outcome dumpOnce(Batch& batch, const MessageHandler& onReply, DumpEnd& end);

  Transport& transport_;
  std::uint32_t sequence_ = 1;
};

}  // namespace vethwork
