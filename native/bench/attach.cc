// Lower bound of attach and detach: the fewest netlink messages that can do it. One request per line:
//   attach <index of the bridge> <gateway> <prefix> (<namespace> <name> <address>)...
//   taps <index of the bridge> <name>...
//   detach (<namespace> <name>)...     drain
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <map>
#include <memory>

#include "bench/raw.h"

using namespace floor_bench;

namespace {

constexpr std::uint32_t deletionGroup = 0x666c6f6f;
/// Detach marks a link for deletion in 2 ms. Deleting any number of links at once takes about 20 ms.
constexpr std::size_t worthMarking = 4;
/// Maximum of messages in one send, within the socket buffer.
constexpr std::size_t atOnce = 256;

struct Slot {
  std::string netns;
  std::string name;
  std::string address;
};

struct Pair {
  int outer;
  /// 0 for a tap.
  int inner;
};

std::map<std::string, Pair> pairs;

void attach(Socket& host, std::istringstream& words) {
  std::uint32_t bridge = 0;
  std::string gateway;
  int prefix = 0;
  words >> bridge >> gateway >> prefix;
  std::vector<Slot> slots;
  for (Slot slot; words >> slot.netns >> slot.name >> slot.address;) {
    slots.push_back(slot);
  }
  for (std::size_t first = 0; first < slots.size(); first += atOnce) {
    const std::size_t last = std::min(slots.size(), first + atOnce);
    Messages outer;
    std::vector<std::unique_ptr<Fd>> namespaces;
    for (std::size_t at = first; at < last; ++at) {
      const Slot& slot = slots[at];
      namespaces.push_back(std::make_unique<Fd>(openNamespace(slot.netns), slot.netns));
      const Pair pair{nextIndex(), nextIndex()};
      pairs[slot.name] = pair;
      addVeth(outer, pair.outer, false, slot.name, bridge, pair.inner, "eth0", namespaces.back()->get());
      withoutIpv6(outer, pair.outer);
      bringUp(outer, pair.outer);
    }
    host.exchange(outer);
    for (std::size_t at = first; at < last; ++at) {
      const Slot& slot = slots[at];
      const int index = pairs[slot.name].inner;
      inside(namespaces[at - first]->get(), [&] {
        Socket socket;
        Messages inner;
        bringUp(inner, 1);
        withoutIpv6(inner, index);
        bringUp(inner, index);
        addAddress(inner, index, slot.address, static_cast<std::uint8_t>(prefix));
        addDefaultRoute(inner, index, gateway);
        socket.exchange(inner);
      });
    }
  }
}

/// Creates a persistent tap with a given index.
void makeTap(const std::string& name, int index) {
  const Fd tun(::open("/dev/net/tun", O_RDWR | O_CLOEXEC), "/dev/net/tun");
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  if (::ioctl(tun.get(), TUNSETIFINDEX, &index) != 0 || ::ioctl(tun.get(), TUNSETIFF, &request) != 0 ||
      ::ioctl(tun.get(), TUNSETPERSIST, 1) != 0) {
    fail(errno, "tap " + name);
  }
}

void attachTaps(Socket& host, std::istringstream& words) {
  std::uint32_t bridge = 0;
  words >> bridge;
  Messages messages;
  for (std::string name; words >> name;) {
    const int index = nextIndex();
    makeTap(name, index);
    pairs[name] = {index, 0};
    withoutIpv6(messages, index);
    messages.begin(RTM_NEWLINK, 0, link(index, true));
    messages.put(IFLA_MASTER, bridge);
  }
  host.exchange(messages);
}

void detach(Socket& host, std::istringstream& words) {
  std::vector<Slot> slots;
  for (Slot slot; words >> slot.netns >> slot.name;) {
    slots.push_back(slot);
  }
  Messages outer;
  for (const Slot& slot : slots) {
    const Pair pair = pairs[slot.name];
    if (slots.size() > worthMarking) {
      outer.begin(RTM_NEWLINK, 0, link(pair.outer));
      outer.put(IFLA_GROUP, deletionGroup);
      continue;
    }
    markForDeletion(outer, pair.outer, deletionGroup);
    if (pair.inner == 0) {
      continue;
    }
    const Fd netns(openNamespace(slot.netns), slot.netns);
    inside(netns.get(), [&] {
      Socket socket;
      Messages inner;
      markForDeletion(inner, pair.inner, deletionGroup);
      socket.exchange(inner);
    });
  }
  if (slots.size() > worthMarking) {
    deleteMarked(outer, deletionGroup);
  }
  host.exchange(outer);
}

}  // namespace

int main() {
  Socket host;
  return serve([&](std::istringstream& words) {
    std::string what;
    words >> what;
    if (what == "attach") {
      attach(host, words);
    } else if (what == "taps") {
      attachTaps(host, words);
    } else if (what == "detach") {
      detach(host, words);
    } else if (what == "drain") {
      drain(host, deletionGroup);
    } else {
      throw std::invalid_argument("expected attach, taps, detach or drain, got " + what);
    }
  });
}
