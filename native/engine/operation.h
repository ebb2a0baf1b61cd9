#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/worker.h"
#include "netlink/reader.h"
#include "schema/encoder.h"
#include "value/value.h"

namespace vethwork {

/// An operation that consists of netlink messages.
struct NetlinkOperation {
  enum class Sending {
    /// Shares a send with its neighbours.
    joined,
    /// A send of its own: one nftables batch, which the kernel takes or refuses as a whole.
    atomic,
    /// A dump: many answers to one message.
    dump,
  };

  /// NETLINK_ROUTE or NETLINK_NETFILTER.
  int protocol;
  /// Checks the arguments and adds the messages. @throws ValidationError
  void (*encode)(const Map& arguments, Encoder& to);
  /// Reads one answer of a query; null for what only writes. A null value is left out of a dump's list.
  Value (*decode)(const Message& message) = nullptr;
  /// Answers come only if `remember` asks for what a roll-back needs; several are a list.
  bool mayBeSilent = false;
  Sending sending = Sending::joined;
  /// What one of several messages does, for the error that says it failed; null where the operation's name says it all.
  std::string (*describe)(const Map& arguments, std::size_t message) = nullptr;
  /// Cannot be taken back. The kernel goes on with a send after a failure, so in a transaction that stops at the first
  /// failure this is sent only when everything before it has succeeded.
  bool final = false;
};

/// An operation that is system calls of a thread, most often inside the namespace.
struct DirectOperation {
  enum class Place {
    /// The thread enters the operation's namespace for it.
    inside,
    /// About namespaces themselves: in order with the operations of the one named, entered by none.
    outside,
  };

  /// @throws ValidationError
  void (*check)(const Map& arguments, Path& path);
  /// @throws std::system_error
  Value (*run)(const Map& arguments, Worker& worker);
  Place place = Place::inside;
  /// Waits for something other than the kernel's own work: does not hold up the namespace's other operations.
  bool waits = false;
};

struct OperationKind {
  std::string name;
  std::variant<NetlinkOperation, DirectOperation> how;
  /// The arguments it takes besides `op`. Any other is refused: with a misspelt `netns` it would happen elsewhere.
  std::vector<std::string_view> takes;
};

using OperationKinds = std::span<const OperationKind>;

/// Null if there is none of this name.
const OperationKind* findOperation(std::string_view name);

}  // namespace vethwork
