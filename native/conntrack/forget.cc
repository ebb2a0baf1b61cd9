#include "conntrack/forget.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <vector>

#include "conntrack/connection.h"

namespace vethwork {
namespace {

/// Keeps one send, and the answers to it, well within the socket's buffers.
constexpr std::size_t maximumSend = 256;

[[noreturn]] void fail(int error, const char* what) { throw std::system_error(error, std::generic_category(), what); }

}  // namespace

void forgetConnections(const ConnectionFilter& filter, Exchange& exchange) {
  Batch dump;
  encodeConnectionDump(dump, filter.family());
  std::vector<Batch> sends;
  const Outcome listed = exchange.dump(
      dump,
      [&](const Message& report) {
        if (filter.matches(report)) {
          if (sends.empty() || sends.back().size() == maximumSend) {
            sends.emplace_back();
          }
          (void)encodeForget(report, sends.back());
        }
      },
      [&] { sends.clear(); });
  if (listed.error != 0) {
    fail(listed.error, "list connections");
  }
  for (Batch& send : sends) {
    for (const Outcome& outcome : exchange.request(send)) {
      if (outcome.error != 0 && outcome.error != ENOENT) {
        fail(outcome.error, "forget a connection");
      }
    }
  }
}

}  // namespace vethwork
