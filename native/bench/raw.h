#pragma once

// Code shared by the lower-bound programs: netlink messages without any layer above system calls.

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

namespace floor_bench {

[[noreturn]] inline void fail(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

/// Messages of one send.
class Messages {
 public:
  template <typename Head>
  void begin(std::uint16_t type, std::uint16_t flags, const Head& head) {
    seal();
    start_ = bytes_.size();
    open_ = true;
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<__u16>(NLM_F_REQUEST | flags);
    append(&header, sizeof header);
    append(&head, sizeof head);
  }

  void put(std::uint16_t type, const void* data, std::size_t size) {
    const rtattr header{static_cast<unsigned short>(RTA_LENGTH(size)), type};
    append(&header, sizeof header);
    append(data, size);
  }
  void put(std::uint16_t type, std::uint32_t value) { put(type, &value, sizeof value); }
  void put(std::uint16_t type, const std::string& text) { put(type, text.c_str(), text.size() + 1); }
  void putAddress(std::uint16_t type, const std::string& address) {
    in_addr binary{};
    ::inet_pton(AF_INET, address.c_str(), &binary);
    put(type, &binary, sizeof binary);
  }

  template <typename Body>
  void nest(std::uint16_t type, Body&& body) {
    const std::size_t at = bytes_.size();
    const rtattr header{0, type};
    append(&header, sizeof header);
    body();
    const auto length = static_cast<unsigned short>(bytes_.size() - at);
    std::memcpy(bytes_.data() + at, &length, sizeof length);
  }

  /// Appends a structure without an attribute header; VETH_INFO_PEER starts with one.
  template <typename Head>
  void raw(const Head& head) {
    append(&head, sizeof head);
  }

  void seal() {
    if (open_) {
      const auto length = static_cast<std::uint32_t>(bytes_.size() - start_);
      std::memcpy(bytes_.data() + start_, &length, sizeof length);
      open_ = false;
    }
  }

  /// Requests an acknowledgement of the last message. The others are acknowledged only if they fail.
  const std::vector<std::uint8_t>& sealed(std::uint32_t sequence, bool acknowledge = true) {
    seal();
    auto* last = reinterpret_cast<nlmsghdr*>(bytes_.data() + start_);
    for (std::size_t at = 0; at < bytes_.size();) {
      auto* header = reinterpret_cast<nlmsghdr*>(bytes_.data() + at);
      header->nlmsg_seq = sequence;
      at += NLMSG_ALIGN(header->nlmsg_len);
    }
    if (acknowledge) {
      last->nlmsg_flags |= NLM_F_ACK;
    }
    return bytes_;
  }

  [[nodiscard]] bool empty() const { return bytes_.empty(); }

 private:
  void append(const void* data, std::size_t size) {
    const auto* bytes = static_cast<const std::uint8_t*>(data);
    bytes_.insert(bytes_.end(), bytes, bytes + size);
    bytes_.resize(NLMSG_ALIGN(bytes_.size()));
  }

  std::vector<std::uint8_t> bytes_;
  std::size_t start_ = 0;
  bool open_ = false;
};

class Fd {
 public:
  explicit Fd(int fd, const std::string& what) : fd_(fd) {
    if (fd < 0) {
      fail(errno, what);
    }
  }
  ~Fd() { ::close(fd_); }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

class Socket {
 public:
  explicit Socket(int protocol = NETLINK_ROUTE)
      : fd_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), "netlink socket") {
    const int size = 4 << 20;
    const int one = 1;
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    ::setsockopt(fd_.get(), SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
  }

  /// Sends the messages and waits for the acknowledgement. @throws std::system_error for the first message that failed
  void exchange(Messages& messages, bool acknowledgeLast = true) {
    const auto& bytes = messages.sealed(1, acknowledgeLast);
    if (::send(fd_.get(), bytes.data(), bytes.size(), 0) < 0) {
      fail(errno, "send");
    }
    std::vector<std::uint8_t> buffer(65536);
    for (;;) {
      const ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
      if (size < 0) {
        fail(errno, "receive");
      }
      auto left = static_cast<std::uint32_t>(size);
      for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(header, left);
           header = NLMSG_NEXT(header, left)) {
        if (header->nlmsg_type == NLMSG_ERROR) {
          const auto* error = static_cast<const nlmsgerr*>(NLMSG_DATA(header));
          if (error->error != 0) {
            fail(-error->error, "message of type " + std::to_string(error->msg.nlmsg_type));
          }
          return;
        }
      }
    }
  }

 private:
  Fd fd_;
};

/// Runs the body in another network namespace and returns to the original one.
template <typename Body>
void inside(int netns, Body&& body) {
  static const Fd home(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), "own namespace");
  if (::setns(netns, CLONE_NEWNET) != 0) {
    fail(errno, "setns");
  }
  body();
  if (::setns(home.get(), CLONE_NEWNET) != 0) {
    fail(errno, "setns back");
  }
}

inline int openNamespace(const std::string& name) {
  return ::open(("/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC);
}

/// Interface indexes are chosen by the program, so that no look-up is needed.
inline int nextIndex() {
  // Several of these programs may use one namespace.
  static int index = 0x48000000 + (::getpid() & 0xfff) * 0x4000;
  return index++;
}

inline ifinfomsg link(int index, bool up = false) {
  ifinfomsg info{};
  info.ifi_index = index;
  if (up) {
    info.ifi_flags = IFF_UP;
    info.ifi_change = IFF_UP;
  }
  return info;
}

inline constexpr std::uint16_t creating = NLM_F_CREATE | NLM_F_EXCL;

/// With more than one queue, the kernel would reduce their number and wait for two RCU grace periods.
inline void singleQueue(Messages& to) {
  to.put(IFLA_NUM_TX_QUEUES, 1U);
  to.put(IFLA_NUM_RX_QUEUES, 1U);
}

/// Creates a veth whose peer is in another namespace. The outer end is a bridge port.
inline void addVeth(Messages& to, int index, bool up, const std::string& name, std::uint32_t master, int peerIndex,
                    const std::string& peer, int netns) {
  to.begin(RTM_NEWLINK, creating, link(index, up));
  to.put(IFLA_IFNAME, name);
  to.put(IFLA_MASTER, master);
  singleQueue(to);
  to.nest(IFLA_LINKINFO, [&] {
    to.put(IFLA_INFO_KIND, std::string("veth"));
    to.nest(IFLA_INFO_DATA, [&] {
      to.nest(1 /* VETH_INFO_PEER */, [&] {
        to.raw(link(peerIndex));
        to.put(IFLA_IFNAME, peer);
        singleQueue(to);
        to.put(IFLA_NET_NS_FD, static_cast<std::uint32_t>(netns));
      });
    });
  });
}

/// Disables the IPv6 link-local address. Must be set before the link is up.
inline void withoutIpv6(Messages& to, int index) {
  to.begin(RTM_NEWLINK, 0, link(index));
  to.nest(IFLA_AF_SPEC, [&] {
    to.nest(AF_INET6, [&] {
      const std::uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
      to.put(IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof mode);
    });
  });
}

inline void bringUp(Messages& to, int index) { to.begin(RTM_NEWLINK, 0, link(index, true)); }

/// Takes a link out of service without deleting it: down, not a bridge port, its name free.
inline void markForDeletion(Messages& to, int index, std::uint32_t group) {
  ifinfomsg down{};
  down.ifi_index = index;
  down.ifi_change = IFF_UP;
  to.begin(RTM_NEWLINK, 0, down);
  to.put(IFLA_IFNAME, "dead" + std::to_string(index));
  to.put(IFLA_MASTER, 0U);
  to.put(IFLA_GROUP, group);
}

/// Deletes all links of the group.
inline void deleteMarked(Messages& to, std::uint32_t group) {
  to.begin(RTM_DELLINK, 0, link(0));
  to.put(IFLA_GROUP, group);
}

/// As `deleteMarked`, at once; does nothing if there is none.
inline void drain(Socket& host, std::uint32_t group) {
  Messages messages;
  deleteMarked(messages, group);
  try {
    host.exchange(messages);
  } catch (const std::system_error& error) {
    if (error.code().value() != ENODEV) {
      throw;
    }
  }
}

inline void addAddress(Messages& to, int index, const std::string& address, std::uint8_t prefix) {
  ifaddrmsg head{};
  head.ifa_family = AF_INET;
  head.ifa_prefixlen = prefix;
  head.ifa_index = static_cast<__u32>(index);
  to.begin(RTM_NEWADDR, creating, head);
  to.putAddress(IFA_LOCAL, address);
  to.putAddress(IFA_ADDRESS, address);
}

inline void addDefaultRoute(Messages& to, int index, const std::string& gateway) {
  rtmsg head{};
  head.rtm_family = AF_INET;
  head.rtm_table = RT_TABLE_MAIN;
  head.rtm_protocol = RTPROT_BOOT;
  head.rtm_scope = RT_SCOPE_UNIVERSE;
  head.rtm_type = RTN_UNICAST;
  to.begin(RTM_NEWROUTE, creating, head);
  to.putAddress(RTA_GATEWAY, gateway);
  to.put(RTA_OIF, static_cast<std::uint32_t>(index));
}

/// Executes the request of each line of standard input, and prints the time it took.
template <typename Handler>
int serve(Handler&& handler) {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    try {
      const auto started = std::chrono::steady_clock::now();
      handler(words);
      const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - started;
      std::cout << "@done 0 " << took.count() << std::endl;
    } catch (const std::exception& error) {
      std::cerr << error.what() << std::endl;
      std::cout << "@done 1" << std::endl;
    }
  }
  return 0;
}

}  // namespace floor_bench
