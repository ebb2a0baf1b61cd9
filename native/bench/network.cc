// Lower bound of creating and deleting a network on the network node: one send to the host, one to the namespace, and
// one nftables batch. One request per line:
//   create <uuid> <vni> <index of the NIC> <index of the egress bridge> <netblock> <bits> <gateway> <egress> <bits>
//          <floating gateway> <id>
//   delete <uuid>...
//   prepare <uuid>                     (creates what floating addresses need; not measured)
//   float <uuid> <index of the egress bridge> <outer name> <inner name> <address> <target>
//   defloat <uuid> <outer name> <address>
//   drain

// Included first: the kernel's headers check for those of the C library, but not vice versa.
#include "bench/raw.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/mount.h>

#include <map>
#include <memory>

using namespace floor_bench;

namespace {

constexpr std::uint32_t deletionGroup = 0x666c6f70;
std::map<std::string, std::vector<int>> networks;

struct Pair {
  int outer;
  int inner;
};
/// By the name of the outer end.
std::map<std::string, Pair> floating;
/// Sockets in namespaces of networks with floating addresses. Closing one after a deletion waits for an RCU grace
/// period.
std::map<std::string, std::unique_ptr<Socket>> rules;

struct NetworkSpec {
  std::string uuid;
  std::uint32_t vni = 0;
  std::uint32_t nic = 0;
  std::uint32_t egressBridge = 0;
  std::string netblock;
  int bits = 0;
  std::string gateway;
  std::string egress;
  int egressBits = 0;
  std::string floatingGateway;
  /// Six hexadecimal digits of the interface names.
  std::string id;
};

void makeNamespace(const std::string& name) {
  const std::string path = "/run/netns/" + name;
  { const Fd file(::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0), path); }
  static const Fd home(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), "own namespace");
  if (::unshare(CLONE_NEWNET) != 0) {
    fail(errno, "unshare");
  }
  const int pinned = ::mount("/proc/thread-self/ns/net", path.c_str(), "none", MS_BIND, nullptr);
  if (::setns(home.get(), CLONE_NEWNET) != 0 || pinned != 0) {
    fail(errno, "pin");
  }
}

void addOuter(Socket& host, const NetworkSpec& spec, int netns, std::vector<int>& indexes, int inner, int egress) {
  Messages messages;
  const int bridge = nextIndex();
  messages.begin(RTM_NEWLINK, creating, link(bridge, true));
  messages.put(IFLA_IFNAME, "br-vxlan-" + spec.id);
  messages.nest(IFLA_LINKINFO, [&] {
    messages.put(IFLA_INFO_KIND, std::string("bridge"));
    messages.nest(IFLA_INFO_DATA, [&] { messages.put(IFLA_BR_FORWARD_DELAY, 0U); });
  });
  const int vxlan = nextIndex();
  messages.begin(RTM_NEWLINK, creating, link(vxlan, true));
  messages.put(IFLA_IFNAME, "vxlan-" + spec.id);
  messages.put(IFLA_MASTER, static_cast<std::uint32_t>(bridge));
  messages.nest(IFLA_LINKINFO, [&] {
    messages.put(IFLA_INFO_KIND, std::string("vxlan"));
    messages.nest(IFLA_INFO_DATA, [&] {
      messages.put(IFLA_VXLAN_ID, spec.vni);
      messages.put(IFLA_VXLAN_LINK, spec.nic);
      const std::uint16_t port = htons(4789);
      messages.put(IFLA_VXLAN_PORT, &port, sizeof port);
    });
  });
  const int innerOuter = nextIndex();
  addVeth(messages, innerOuter, true, "veth-" + spec.id + "-o", static_cast<std::uint32_t>(bridge), inner,
          "veth-" + spec.id + "-i", netns);
  const int egressOuter = nextIndex();
  addVeth(messages, egressOuter, true, "egr-" + spec.id + "-o", spec.egressBridge, egress, "egr-" + spec.id + "-i",
          netns);
  host.exchange(messages);
  indexes = {innerOuter, egressOuter, vxlan, bridge};
}

void addInner(const NetworkSpec& spec, int inner, int egress) {
  Socket socket;
  Messages messages;
  bringUp(messages, 1);
  bringUp(messages, inner);
  addAddress(messages, inner, spec.gateway, static_cast<std::uint8_t>(spec.bits));
  bringUp(messages, egress);
  addAddress(messages, egress, spec.egress, static_cast<std::uint8_t>(spec.egressBits));
  addDefaultRoute(messages, egress, spec.floatingGateway);
  socket.exchange(messages);
}

constexpr std::uint16_t nft(int message) { return static_cast<std::uint16_t>((NFNL_SUBSYS_NFTABLES << 8) | message); }

nfgenmsg family(std::uint8_t of, std::uint16_t resource = 0) { return {of, NFNETLINK_V0, htons(resource)}; }

template <typename Body>
void expression(Messages& to, const std::string& name, Body&& body) {
  to.nest(NFTA_LIST_ELEM | NLA_F_NESTED, [&] {
    to.put(NFTA_EXPR_NAME, name);
    to.nest(NFTA_EXPR_DATA | NLA_F_NESTED, body);
  });
}

void number(Messages& to, std::uint16_t type, std::uint32_t value) { to.put(type, htonl(value)); }

void compare(Messages& to, const void* data, std::size_t size) {
  expression(to, "cmp", [&] {
    number(to, NFTA_CMP_SREG, NFT_REG_1);
    number(to, NFTA_CMP_OP, NFT_CMP_EQ);
    to.nest(NFTA_CMP_DATA | NLA_F_NESTED, [&] { to.put(NFTA_DATA_VALUE, data, size); });
  });
}

/// table ip nat { chain postrouting { type nat hook postrouting priority 100; ip saddr … oifname … masquerade } }
void addMasquerade(const NetworkSpec& spec) {
  Socket socket(NETLINK_NETFILTER);
  Messages messages;
  messages.begin(NFNL_MSG_BATCH_BEGIN, 0, family(AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
  messages.begin(nft(NFT_MSG_NEWTABLE), NLM_F_CREATE, family(NFPROTO_IPV4));
  messages.put(NFTA_TABLE_NAME, std::string("nat"));
  messages.begin(nft(NFT_MSG_NEWCHAIN), NLM_F_CREATE, family(NFPROTO_IPV4));
  messages.put(NFTA_CHAIN_TABLE, std::string("nat"));
  messages.put(NFTA_CHAIN_NAME, std::string("postrouting"));
  messages.put(NFTA_CHAIN_TYPE, std::string("nat"));
  messages.nest(NFTA_CHAIN_HOOK | NLA_F_NESTED, [&] {
    number(messages, NFTA_HOOK_HOOKNUM, NF_INET_POST_ROUTING);
    number(messages, NFTA_HOOK_PRIORITY, 100);
  });
  messages.begin(nft(NFT_MSG_NEWRULE), NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK, family(NFPROTO_IPV4));
  messages.put(NFTA_RULE_TABLE, std::string("nat"));
  messages.put(NFTA_RULE_CHAIN, std::string("postrouting"));
  messages.nest(NFTA_RULE_EXPRESSIONS | NLA_F_NESTED, [&] {
    expression(messages, "payload", [&] {
      number(messages, NFTA_PAYLOAD_DREG, NFT_REG_1);
      number(messages, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
      number(messages, NFTA_PAYLOAD_OFFSET, 12);
      number(messages, NFTA_PAYLOAD_LEN, 3);
    });
    in_addr netblock{};
    ::inet_pton(AF_INET, spec.netblock.c_str(), &netblock);
    compare(messages, &netblock, 3);
    expression(messages, "meta", [&] {
      number(messages, NFTA_META_DREG, NFT_REG_1);
      number(messages, NFTA_META_KEY, NFT_META_OIFNAME);
    });
    char name[IFNAMSIZ]{};
    std::snprintf(name, sizeof name, "egr-%s-i", spec.id.c_str());
    compare(messages, name, sizeof name);
    expression(messages, "masq", [] {});
  });
  messages.begin(NFNL_MSG_BATCH_END, 0, family(AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
  socket.exchange(messages, false);
}

/// map floating { type ipv4_addr : ipv4_addr; }
/// chain prerouting { type nat hook prerouting priority -100; dnat to ip daddr map @floating; }
void addFloatingMap(Socket& socket) {
  constexpr std::uint32_t ipv4Type = 7;
  Messages messages;
  messages.begin(NFNL_MSG_BATCH_BEGIN, 0, family(AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
  messages.begin(nft(NFT_MSG_NEWSET), NLM_F_CREATE, family(NFPROTO_IPV4));
  messages.put(NFTA_SET_TABLE, std::string("nat"));
  messages.put(NFTA_SET_NAME, std::string("floating"));
  number(messages, NFTA_SET_ID, 1);
  number(messages, NFTA_SET_FLAGS, NFT_SET_MAP);
  number(messages, NFTA_SET_KEY_TYPE, ipv4Type);
  number(messages, NFTA_SET_KEY_LEN, sizeof(in_addr));
  number(messages, NFTA_SET_DATA_TYPE, ipv4Type);
  number(messages, NFTA_SET_DATA_LEN, sizeof(in_addr));
  messages.begin(nft(NFT_MSG_NEWCHAIN), NLM_F_CREATE, family(NFPROTO_IPV4));
  messages.put(NFTA_CHAIN_TABLE, std::string("nat"));
  messages.put(NFTA_CHAIN_NAME, std::string("prerouting"));
  messages.put(NFTA_CHAIN_TYPE, std::string("nat"));
  messages.nest(NFTA_CHAIN_HOOK | NLA_F_NESTED, [&] {
    number(messages, NFTA_HOOK_HOOKNUM, NF_INET_PRE_ROUTING);
    number(messages, NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(-100));
  });
  messages.begin(nft(NFT_MSG_NEWRULE), NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK, family(NFPROTO_IPV4));
  messages.put(NFTA_RULE_TABLE, std::string("nat"));
  messages.put(NFTA_RULE_CHAIN, std::string("prerouting"));
  messages.nest(NFTA_RULE_EXPRESSIONS | NLA_F_NESTED, [&] {
    expression(messages, "payload", [&] {
      number(messages, NFTA_PAYLOAD_DREG, NFT_REG_1);
      number(messages, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
      number(messages, NFTA_PAYLOAD_OFFSET, 16);
      number(messages, NFTA_PAYLOAD_LEN, sizeof(in_addr));
    });
    expression(messages, "lookup", [&] {
      messages.put(NFTA_LOOKUP_SET, std::string("floating"));
      number(messages, NFTA_LOOKUP_SET_ID, 1);
      number(messages, NFTA_LOOKUP_SREG, NFT_REG_1);
      number(messages, NFTA_LOOKUP_DREG, NFT_REG_1);
    });
    expression(messages, "nat", [&] {
      number(messages, NFTA_NAT_TYPE, NFT_NAT_DNAT);
      number(messages, NFTA_NAT_FAMILY, NFPROTO_IPV4);
      number(messages, NFTA_NAT_REG_ADDR_MIN, NFT_REG_1);
    });
  });
  messages.begin(NFNL_MSG_BATCH_END, 0, family(AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
  socket.exchange(messages, false);
}

/// Adds (with a target) or deletes an element of the map.
void changeElement(Socket& socket, int message, std::uint16_t flags, const std::string& address,
                   const std::string& target) {
  Messages messages;
  messages.begin(NFNL_MSG_BATCH_BEGIN, 0, family(AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
  messages.begin(nft(message), static_cast<std::uint16_t>(flags | NLM_F_ACK), family(NFPROTO_IPV4));
  messages.put(NFTA_SET_ELEM_LIST_TABLE, std::string("nat"));
  messages.put(NFTA_SET_ELEM_LIST_SET, std::string("floating"));
  messages.nest(NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED, [&] {
    messages.nest(NFTA_LIST_ELEM | NLA_F_NESTED, [&] {
      messages.nest(NFTA_SET_ELEM_KEY | NLA_F_NESTED, [&] { messages.putAddress(NFTA_DATA_VALUE, address); });
      if (!target.empty()) {
        messages.nest(NFTA_SET_ELEM_DATA | NLA_F_NESTED, [&] { messages.putAddress(NFTA_DATA_VALUE, target); });
      }
    });
  });
  messages.begin(NFNL_MSG_BATCH_END, 0, family(AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
  socket.exchange(messages, false);
}

void addFloating(Socket& host, std::istringstream& words) {
  std::string uuid;
  std::uint32_t bridge = 0;
  std::string outerName;
  std::string innerName;
  std::string address;
  std::string target;
  words >> uuid >> bridge >> outerName >> innerName >> address >> target;
  const Fd netns(openNamespace(uuid), uuid);
  const Pair pair{nextIndex(), nextIndex()};
  floating[outerName] = pair;
  Messages outer;
  addVeth(outer, pair.outer, true, outerName, bridge, pair.inner, innerName, netns.get());
  host.exchange(outer);
  inside(netns.get(), [&] {
    Socket socket;
    Messages inner;
    bringUp(inner, pair.inner);
    addAddress(inner, pair.inner, address, 32);
    socket.exchange(inner);
  });
  changeElement(*rules.at(uuid), NFT_MSG_NEWSETELEM, NLM_F_CREATE, address, target);
}

void removeFloating(Socket& host, std::istringstream& words) {
  std::string uuid;
  std::string outerName;
  std::string address;
  words >> uuid >> outerName >> address;
  const Pair pair = floating[outerName];
  const Fd netns(openNamespace(uuid), uuid);
  changeElement(*rules.at(uuid), NFT_MSG_DELSETELEM, 0, address, "");
  inside(netns.get(), [&] {
    Socket socket;
    Messages inner;
    markForDeletion(inner, pair.inner, deletionGroup);
    socket.exchange(inner);
  });
  Messages outer;
  markForDeletion(outer, pair.outer, deletionGroup);
  host.exchange(outer);
  floating.erase(outerName);
}

void forward() {
  const Fd file(::open("/proc/sys/net/ipv4/ip_forward", O_WRONLY | O_CLOEXEC), "ip_forward");
  if (::write(file.get(), "1", 1) != 1) {
    fail(errno, "ip_forward");
  }
}

void create(Socket& host, std::istringstream& words) {
  NetworkSpec spec;
  words >> spec.uuid >> spec.vni >> spec.nic >> spec.egressBridge >> spec.netblock >> spec.bits >> spec.gateway >>
      spec.egress >> spec.egressBits >> spec.floatingGateway >> spec.id;
  makeNamespace(spec.uuid);
  const Fd netns(openNamespace(spec.uuid), spec.uuid);
  const int inner = nextIndex();
  const int egress = nextIndex();
  addOuter(host, spec, netns.get(), networks[spec.uuid], inner, egress);
  inside(netns.get(), [&] {
    forward();
    addInner(spec, inner, egress);
    addMasquerade(spec);
  });
}

void remove(Socket& host, std::istringstream& words) {
  std::vector<std::string> uuids;
  Messages messages;
  for (std::string uuid; words >> uuid;) {
    uuids.push_back(uuid);
    for (const int index : networks[uuid]) {
      messages.begin(RTM_NEWLINK, 0, link(index));
      messages.put(IFLA_GROUP, deletionGroup);
    }
  }
  deleteMarked(messages, deletionGroup);
  host.exchange(messages);
  for (const std::string& uuid : uuids) {
    networks.erase(uuid);
    rules.erase(uuid);
    const std::string path = "/run/netns/" + uuid;
    if (::umount2(path.c_str(), MNT_DETACH) != 0 || ::unlink(path.c_str()) != 0) {
      fail(errno, path);
    }
  }
}

}  // namespace

int main() {
  Socket host;
  return serve([&](std::istringstream& words) {
    std::string what;
    words >> what;
    if (what == "create") {
      create(host, words);
    } else if (what == "delete") {
      remove(host, words);
    } else if (what == "prepare") {
      std::string uuid;
      words >> uuid;
      const Fd netns(openNamespace(uuid), uuid);
      inside(netns.get(), [&] { rules[uuid] = std::make_unique<Socket>(NETLINK_NETFILTER); });
      addFloatingMap(*rules.at(uuid));
    } else if (what == "float") {
      addFloating(host, words);
    } else if (what == "defloat") {
      removeFloating(host, words);
    } else if (what == "drain") {
      drain(host, deletionGroup);
    } else {
      throw std::invalid_argument("expected create, delete, prepare, float, defloat or drain, got " + what);
    }
  });
}
