#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/operation.h"
#include "netns/reference.h"
#include "value/value.h"

namespace vethwork {

struct Request {
  const OperationKind* kind;
  Map arguments;
  NamespaceReference netns;
  /// Those of a netlink operation, complete but for descriptors of namespaces.
  Batch messages;
};

/// How one request ended.
struct Result {
  enum class State {
    /// Never sent, because an earlier request failed or the transaction was cancelled.
    notDone,
    done,
    failed,
  };

  State state = State::notDone;
  /// An errno, and the kernel's own sentence about it.
  int error = 0;
  std::string text;
  std::optional<std::uint32_t> offset;
  /// What a query found.
  Value value;
  /// Answers that only a roll-back has a use for: most transactions end without anybody reading them.
  std::vector<KeptMessage> unread;

  static Result failure(int error, std::string text = {}) {
    return {.state = State::failed, .error = error, .text = std::move(text), .offset = {}, .value = {}, .unread = {}};
  }
};

/// Requests to be done in order, over any number of namespaces.
struct Transaction {
  std::vector<Request> requests;
  /// One a request.
  std::vector<Result> results;
  /// Whether a failed request keeps the later ones from being sent.
  bool stopOnError = true;
  /// Whether the values of the results are for a roll-back, which is due only where not all is done.
  bool remembers = false;
  /// Requests of one namespace stay in order within a lane.
  std::string lane;
  /// Keeps from being sent what is not sent yet.
  std::atomic<bool> cancelled = false;

  /// What `packResults` makes of the results; nothing where it could not.
  std::optional<Bytes> answer;

  /// The first request that the engine has not dealt with.
  std::size_t next = 0;
  bool failed = false;
};

using TransactionPointer = std::shared_ptr<Transaction>;

}  // namespace vethwork
