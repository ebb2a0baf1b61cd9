#include "conntrack/delete.h"

#include <algorithm>
#include <cerrno>
#include <vector>

#include "conntrack/connection.h"
#include "conntrack/count.h"
#include "conntrack/flush.h"
#include "file/system_error.h"

namespace vethwork {
namespace {

/// Maximum of messages in a send, so that it and its answers fit into the socket buffers.
constexpr std::size_t maximumDeletions = 256;

/// Maximum of messages whose filter the kernel evaluates. One list takes as long as this many. Measured.
constexpr std::size_t maximumFlushes = 32;

/// Lets the kernel delete the matching connections. Returns false if it cannot.
bool flush(std::span<const ConnectionFilter> filters, Exchange& exchange) {
  Batch flushes;
  for (const ConnectionFilter& filter : filters) {
    if (!encodeFlush(filter, flushes) || flushes.size() > maximumFlushes) {
      return false;
    }
  }
  for (const Outcome& outcome : exchange.request(flushes)) {
    // The kernel does not know the attribute, or only in dumps.
    if (outcome.error == EINVAL || outcome.error == EOPNOTSUPP) {
      return false;
    }
    if (outcome.error != 0) {
      throwSystemError(outcome.error, "delete connections");
    }
  }
  return true;
}

/// Family of the list (NFPROTO_…); 0 for all.
std::uint8_t familyOf(std::span<const ConnectionFilter> filters) {
  const std::uint8_t first = filters.front().family();
  const bool isCommon = std::ranges::all_of(filters, [&](const auto& filter) { return filter.family() == first; });
  return isCommon ? first : std::uint8_t{0};
}

}  // namespace

void deleteConnections(std::span<const ConnectionFilter> filters, Exchange& exchange) {
  if (filters.empty() || flush(filters, exchange) || countConnections(exchange) == 0) {
    return;
  }
  Batch dump;
  encodeConnectionDump(dump, familyOf(filters));
  std::vector<Batch> sends;
  const Outcome listed = exchange.dump(
      dump,
      [&](const Message& report) {
        if (std::ranges::any_of(filters, [&](const auto& filter) { return filter.matches(report); })) {
          if (sends.empty() || sends.back().size() == maximumDeletions) {
            sends.emplace_back();
          }
          (void)encodeDelete(report, sends.back());
        }
      },
      [&] { sends.clear(); });
  if (listed.error != 0) {
    throwSystemError(listed.error, "list connections");
  }
  for (Batch& send : sends) {
    for (const Outcome& outcome : exchange.request(send)) {
      if (outcome.error != 0 && outcome.error != ENOENT) {
        throwSystemError(outcome.error, "delete a connection");
      }
    }
  }
}

}  // namespace vethwork
