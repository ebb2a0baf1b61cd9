#include <array>
#include <cstdint>
#include <fstream>
#include <string>

#include "netns/operations.h"

namespace vethwork {
namespace {

// Below the namespace of the calling thread.
const std::string procNet = "/proc/thread-self/net/";

/// Sum of the values `inuse` of /proc/net/sockstat or sockstat6: TCP sockets that listen or are connected, bound UDP
/// sockets, and raw sockets. A file that does not exist (IPv6) has none.
std::uint64_t socketsInUse(const std::string& file) {
  std::ifstream text(procNet + file);
  std::uint64_t sum = 0;
  for (std::string word; text >> word;) {
    if (std::uint64_t count = 0; word == "inuse" && text >> count) {
      sum += count;
    }
  }
  return sum;
}

/// Lines of /proc/net/packet below its heading.
std::uint64_t packetSockets() {
  std::ifstream text(procNet + "packet");
  std::uint64_t lines = 0;
  for (std::string line; std::getline(text, line);) {
    ++lines;
  }
  return lines == 0 ? 0 : lines - 1;
}

void noMoreToCheck(const Map&, Path&) {}

Value countSockets(const Map&, Worker&) {
  return socketsInUse("sockstat") + socketsInUse("sockstat6") + packetSockets();
}

}  // namespace

OperationKinds usageOperations() {
  static const std::array<OperationKind, 1> kinds{{
      {"namespace.sockets", DirectOperation{.check = noMoreToCheck, .run = countSockets}, {"netns"}},
  }};
  return kinds;
}

}  // namespace vethwork
