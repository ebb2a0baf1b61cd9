#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/worker.h"
#include "netlink/exchange.h"
#include "netlink/reader.h"
#include "schema/encoder.h"
#include "value/value.h"

namespace vethwork {

/// An operation that is implemented by netlink messages.
struct NetlinkOperation {
  enum class Sending {
    /// Can share a send with adjacent requests.
    joined,
    /// Has a send of its own: one nftables batch, which the kernel commits or rejects as a whole.
    atomic,
    /// A dump: several answers to one message.
    dump,
  };

  /// NETLINK_ROUTE or NETLINK_NETFILTER.
  int protocol;
  /// Checks the arguments and adds the messages. @throws ValidationError
  void (*encode)(const Map& arguments, Encoder& to);
  /// Decodes one answer of a query; nullptr for operations that only write. A null value is left out of a dump's list.
  Value (*decode)(const Message& message) = nullptr;
  /// True if the kernel answers only if `captureUndo` requests state for a roll-back; several answers form a list.
  bool hasOptionalReply = false;
  Sending sending = Sending::joined;
  /// Dumps only: returns a decoder for the answers that these arguments select; nullptr if `decode` serves for all.
  std::function<Value(const Message&)> (*select)(const Map& arguments) = nullptr;
  /// Describes one of several messages for an error; nullptr if the name of the operation is sufficient.
  std::string (*describe)(const Map& arguments, std::size_t message) = nullptr;
  /// True if the operation cannot be undone. The kernel continues a send after a failure, so in a transaction that
  /// stops on errors such an operation is sent only after all earlier ones have succeeded.
  bool final = false;
};

/// An operation that is implemented by system calls, most often inside the namespace.
struct DirectOperation {
  enum class Place {
    /// The thread enters the operation's namespace.
    inside,
    /// Operates on a namespace itself: ordered with the operations in that namespace, but executed outside of it.
    outside,
  };

  /// @throws ValidationError
  void (*check)(const Map& arguments, Path& path);
  /// @throws std::system_error
  Value (*run)(const Map& arguments, Worker& worker);
  Place place = Place::inside;
  /// True if it creates or deletes the namespace. Open sockets would keep the deleted namespace alive.
  bool replacesNamespace = false;
  /// True if it waits for something other than the kernel. It then does not delay other operations of the namespace.
  bool blocks = false;
};

/// An operation that exchanges several messages in sequence. Consecutive requests of one kind are executed together,
/// and all of them fail if one does.
struct ExchangeOperation {
  int protocol;
  /// Requests of several transactions may run together, so that all fail if one does: none has an inverse.
  bool joins;
  /// @throws ValidationError
  void (*check)(const Map& arguments, Path& path);
  /// Executes requests with these arguments. @throws std::system_error
  void (*run)(std::span<const Map* const> arguments, Exchange& exchange);
};

struct OperationKind {
  std::string name;
  std::variant<NetlinkOperation, DirectOperation, ExchangeOperation> how;
  /// Arguments besides `op`. Others are rejected: with a misspelt `netns`, the operation would run in another
  /// namespace.
  std::vector<std::string_view> takes;
};

using OperationKinds = std::span<const OperationKind>;

/// Returns nullptr if the name is unknown.
const OperationKind* findOperation(std::string_view name);

}  // namespace vethwork
