#pragma once

#include <sys/types.h>

#include <map>
#include <memory>

#include "engine/worker.h"
#include "netlink/exchange.h"
#include "netlink/faulty_transport.h"
#include "netlink/socket.h"
#include "netns/reference.h"

namespace vethwork {

/// One namespace's descriptor and netlink sockets, made as they are needed. Used by one thread at a time.
class Session {
 public:
  explicit Session(NamespaceReference reference) : reference_(std::move(reference)) {}

  [[nodiscard]] const NamespaceReference& reference() const { return reference_; }

  /// Makes sure that the reference still leads to the namespace that the sockets belong to; begins anew otherwise.
  /// @throws std::system_error
  void refresh();

  /// @throws std::system_error
  Exchange& exchange(int protocol, Worker& worker);

  /// The namespace's descriptor after `refresh`; -1 for the process's own.
  [[nodiscard]] int fd() const { return fd_.get(); }

  /// Closes everything: answers may be missing, or the namespace is to go.
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
