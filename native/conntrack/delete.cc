#include "conntrack/delete.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <vector>

#include "conntrack/connection.h"

namespace vethwork {
namespace {

/// Maximum of messages in a send, so that it and its answers fit into the socket buffers.
constexpr std::size_t maximumSend = 256;

[[noreturn]] void fail(int error, const char* what) { throw std::system_error(error, std::generic_category(), what); }

}  // namespace

void deleteConnections(const ConnectionFilter& filter, Exchange& exchange) {
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
          (void)encodeDelete(report, sends.back());
        }
      },
      [&] { sends.clear(); });
  if (listed.error != 0) {
    fail(listed.error, "list connections");
  }
  for (Batch& send : sends) {
    for (const Outcome& outcome : exchange.request(send)) {
      if (outcome.error != 0 && outcome.error != ENOENT) {
        fail(outcome.error, "delete a connection");
      }
    }
  }
}

}  // namespace vethwork
