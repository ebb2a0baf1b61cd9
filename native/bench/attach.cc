// Lower bound of attach and detach: the fewest netlink messages that can do it. One request per line:
//   attach <index of the bridge> <gateway> <prefix> (<namespace> <name> <address>)...
//   detach (<namespace> <name>)...     drain
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

void markForDeletion(Messages& to, int index) {
  ifinfomsg down{};
  down.ifi_index = index;
  down.ifi_change = IFF_UP;
  to.begin(RTM_NEWLINK, 0, down);
  to.put(IFLA_IFNAME, "dead" + std::to_string(index));
  to.put(IFLA_MASTER, 0U);
  to.put(IFLA_GROUP, deletionGroup);
}

void deleteMarked(Messages& to) {
  to.begin(RTM_DELLINK, 0, link(0));
  to.put(IFLA_GROUP, deletionGroup);
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
    markForDeletion(outer, pair.outer);
    const Fd netns(openNamespace(slot.netns), slot.netns);
    inside(netns.get(), [&] {
      Socket socket;
      Messages inner;
      markForDeletion(inner, pair.inner);
      socket.exchange(inner);
    });
  }
  if (slots.size() > worthMarking) {
    deleteMarked(outer);
  }
  host.exchange(outer);
}

void drain(Socket& host) {
  Messages messages;
  deleteMarked(messages);
  try {
    host.exchange(messages);
  } catch (const std::system_error& error) {
    if (error.code().value() != ENODEV) {
      throw;
    }
  }
}

}  // namespace

int main() {
  Socket host;
  return serve([&](std::istringstream& words) {
    std::string what;
    words >> what;
    if (what == "attach") {
      attach(host, words);
    } else if (what == "detach") {
      detach(host, words);
    } else if (what == "drain") {
      drain(host);
    } else {
      throw std::invalid_argument("expected attach, detach or drain, got " + what);
    }
  });
}
