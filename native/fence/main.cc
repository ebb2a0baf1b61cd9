// vethwork-fence hold <bridge mac> <lease in ms> <own address> <successor's address> <port>
// vethwork-fence acknowledge <own address> <holder's address> <port>
//
// Renews the fence of a network node (src/plan/fence.ts) in its own network namespace while the successor acknowledges,
// or is the successor. It depends on nothing that can stop with Node.js.
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "engine/operation.h"
#include "netlink/exchange.h"
#include "netlink/socket.h"
#include "netlink/unique_fd.h"

namespace {

using vethwork::List;
using vethwork::Map;
using vethwork::UniqueFd;

/// Device group of the ports of the egress bridge (src/plan/group.ts).
constexpr std::int64_t egressPorts = 0x77000000;

/// Requests for each lease, so that some may be lost.
constexpr std::int64_t requestsPerLease = 5;

/// A request or its acknowledgement, which is equal but for its kind. Numbers are big-endian.
struct HeartbeatMessage {
  std::array<char, 4> magic{'V', 'W', 'F', 'L'};
  std::uint8_t version = 1;
  std::uint8_t kind = 0;
  std::uint16_t reserved = 0;
  /// Random number of the holder's process: an acknowledgement to an earlier process is no lease.
  std::uint64_t holder = 0;
  std::uint64_t sequence = 0;
};
static_assert(sizeof(HeartbeatMessage) == 24);
constexpr std::uint8_t requestKind = 1;
constexpr std::uint8_t acknowledgementKind = 2;

[[noreturn]] void fail(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }

/// Milliseconds of a monotonic clock that also runs while the machine is suspended.
std::int64_t now() {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return std::int64_t{time.tv_sec} * 1000 + time.tv_nsec / 1'000'000;
}

std::int64_t number(std::string_view text, std::int64_t least, std::int64_t most) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
    errno = EINVAL;
    fail(std::string(text));
  }
  return value;
}

sockaddr_in addressOf(const char* text, std::int64_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (::inet_pton(AF_INET, text, &address.sin_addr) != 1) {
    errno = EINVAL;
    fail(text);
  }
  return address;
}

/// A UDP socket that receives from the peer only.
UniqueFd openPeer(const char* own, const char* peer, const char* port) {
  const std::int64_t portNumber = number(port, 1, 0xffff);
  UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_in here = addressOf(own, portNumber);
  const sockaddr_in there = addressOf(peer, portNumber);
  if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0 ||
      ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&there), sizeof there) != 0) {
    fail("UDP socket");
  }
  return fd;
}

/// Receives one valid message of a kind; false if there is none. Errors such as an unreachable peer are no message.
bool receiveHeartbeat(int fd, std::uint8_t kind, HeartbeatMessage& message) {
  std::array<std::uint8_t, sizeof(HeartbeatMessage) + 1> buffer{};
  const ssize_t received = ::recv(fd, buffer.data(), buffer.size(), 0);
  if (received != static_cast<ssize_t>(sizeof message)) {
    return false;
  }
  std::memcpy(&message, buffer.data(), sizeof message);
  const HeartbeatMessage expected;
  return message.magic == expected.magic && message.version == expected.version && message.kind == kind;
}

/// The sets of the fence in the kernel.
class FenceLease {
 public:
  explicit FenceLease(std::string mac) : mac_(std::move(mac)) {}

  /// Opens the fence for some milliseconds. The elements may exist or have expired.
  void renew(std::int64_t milliseconds) {
    List commands;
    for (const bool ports : {true, false}) {
      commands.emplace_back(command("element.add", ports, milliseconds));
      commands.emplace_back(command("element.delete", ports, 0));
      commands.emplace_back(command("element.add", ports, milliseconds));
    }
    submit(std::move(commands));
  }

  void close() {
    for (const bool ports : {true, false}) {
      submit(List{command("element.delete", ports, 0)});
    }
  }

 private:
  Map command(std::string_view name, bool ports, std::int64_t timeout) const {
    Map element;
    if (ports) {
      element.set("key", egressPorts);
    } else {
      element.set("key", mac_);
    }
    if (timeout > 0) {
      element.set("timeout", timeout);
    }
    return Map{{"command", std::string(name)},
               {"family", "bridge"},
               {"table", "vethwork_fence"},
               {"set", ports ? "ports" : "hosts"},
               {"keyType", ports ? "devgroup" : "ether_addr"},
               {"elements", List{element}}};
  }

  /// A failure leaves the fence as it is: it closes by itself.
  void submit(List commands) {
    vethwork::Batch batch;
    vethwork::Encoder encoder{.batch = batch};
    const auto& operation = std::get<vethwork::NetlinkOperation>(vethwork::findOperation("nftables.batch")->how);
    operation.encode(Map{{"commands", std::move(commands)}}, encoder);
    vethwork::Socket socket(NETLINK_NETFILTER);
    vethwork::Exchange exchange(socket);
    for (const auto& outcome : exchange.request(batch)) {
      if (outcome.error != 0 && outcome.error != ENOENT) {
        std::fprintf(stderr, "vethwork-fence: %s\n", std::strerror(outcome.error));
        return;
      }
    }
  }

  std::string mac_;
};

/// When each of the last requests was sent.
class SentRequests {
 public:
  std::uint64_t add(std::int64_t time) {
    times_.at(next_ % times_.size()) = time;
    return next_++;
  }

  /// Returns 0 for a request that was not sent, or too long ago.
  [[nodiscard]] std::int64_t time(std::uint64_t sequence) const {
    return sequence < next_ && next_ - sequence <= times_.size() ? times_.at(sequence % times_.size()) : 0;
  }

 private:
  std::array<std::int64_t, 64> times_{};
  std::uint64_t next_ = 0;
};

/// The lease counts from the time at which the acknowledged request was sent.
[[noreturn]] void hold(FenceLease& fence, std::int64_t lease, int peer) {
  HeartbeatMessage request;
  request.kind = requestKind;
  if (::getrandom(&request.holder, sizeof request.holder, 0) != sizeof request.holder) {
    fail("getrandom");
  }
  const std::int64_t interval = std::max<std::int64_t>(lease / requestsPerLease, 1);
  SentRequests sent;
  std::int64_t due = now();
  std::int64_t end = 0;
  for (;;) {
    const std::int64_t time = now();
    if (end != 0 && time >= end) {
      // The kernel's timer stops while the machine is suspended.
      fence.close();
      end = 0;
    }
    if (time >= due) {
      request.sequence = htobe64(sent.add(time));
      (void)::send(peer, &request, sizeof request, 0);
      due = time + interval;
    }
    pollfd readable{.fd = peer, .events = POLLIN, .revents = 0};
    (void)::poll(&readable, 1, static_cast<int>(std::max<std::int64_t>(due - time, 0)));
    HeartbeatMessage answer;
    if (!receiveHeartbeat(peer, acknowledgementKind, answer) || answer.holder != request.holder) {
      continue;
    }
    const std::int64_t start = sent.time(be64toh(answer.sequence));
    const std::int64_t left = start + lease - now();
    if (start != 0 && left > 0 && start + lease > end) {
      fence.renew(left);
      end = start + lease;
    }
  }
}

[[noreturn]] void acknowledge(int peer) {
  for (;;) {
    pollfd readable{.fd = peer, .events = POLLIN, .revents = 0};
    (void)::poll(&readable, 1, -1);
    HeartbeatMessage message;
    if (receiveHeartbeat(peer, requestKind, message)) {
      message.kind = acknowledgementKind;
      (void)::send(peer, &message, sizeof message, 0);
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  const std::vector<std::string_view> words(arguments, arguments + count);
  try {
    // Best effort: the process must not wait for the disk.
    (void)::mlockall(MCL_CURRENT | MCL_FUTURE);
    if (count == 7 && words[1] == "hold") {
      FenceLease fence(arguments[2]);
      const std::int64_t lease = number(words[3], 10, 600'000);
      const UniqueFd peer = openPeer(arguments[4], arguments[5], arguments[6]);
      hold(fence, lease, peer.get());
    }
    if (count == 5 && words[1] == "acknowledge") {
      const UniqueFd peer = openPeer(arguments[2], arguments[3], arguments[4]);
      acknowledge(peer.get());
    }
  } catch (const vethwork::ValidationError& error) {
    std::fprintf(stderr, "vethwork-fence: expected %s\n", error.what());
    return 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "vethwork-fence: %s\n", error.what());
    return 1;
  }
  std::fprintf(stderr,
               "usage: vethwork-fence hold <bridge mac> <lease in ms> <own address> <successor's address> <port>\n"
               "       vethwork-fence acknowledge <own address> <holder's address> <port>\n");
  return 2;
}
