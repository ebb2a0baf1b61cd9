#pragma once

#include <linux/netlink.h>
#include <sys/types.h>

#include <map>
#include <memory>

#include "engine/worker.h"
#include "netlink/exchange.h"
#include "netlink/faulty_transport.h"
#include "netlink/socket.h"
#include "netns/reference.h"

namespace vethwork {

/// The descriptor and the netlink sockets of one namespace, opened on demand. Used by one thread at a time.
class Session {
 public:
  explicit Session(NamespaceReference reference) : reference_(std::move(reference)) {}

  [[nodiscard]] const NamespaceReference& reference() const { return reference_; }

  /// Checks that the reference still leads to the namespace of the sockets, and reopens it otherwise. @throws
  /// std::system_error
  void refresh();

  /// @throws std::system_error
  Exchange& exchange(int protocol, Worker& worker);

  /// Descriptor of the namespace after `refresh`; -1 for that of the process.
  [[nodiscard]] int fd() const { return fd_.get(); }

  /// True if closing may take 15 ms: the kernel lets the release of an nfnetlink socket wait until what nf_tables
  /// deleted in the namespace is freed, which takes an RCU grace period.
  [[nodiscard]] bool isSlowToClose() const { return channels_.contains(NETLINK_NETFILTER); }

  /// Closes the descriptor and the sockets, because answers may be pending or the namespace is to be deleted.
  void reset();

 private:
  struct Channel {
    Socket socket;
    FaultyTransport transport;
    Exchange exchange;
    explicit Channel(int protocol) : socket(protocol), transport(socket), exchange(transport) {}
  };

  NamespaceReference reference_;
  UniqueFd fd_;
  ino_t inode_ = 0;
  std::map<int, std::unique_ptr<Channel>> channels_;
};

}  // namespace vethwork
