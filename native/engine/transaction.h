#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/operation.h"
#include "netns/reference.h"
#include "value/digest.h"
#include "value/value.h"

namespace vethwork {

struct Request {
  const OperationKind* kind;
  Map arguments;
  NamespaceReference netns;
  /// Messages of a netlink operation, complete except for namespace descriptors.
  Batch messages;
  /// The result is the digest of the value.
  std::optional<DigestSpec> digest = {};
};

/// Result of one request.
struct Result {
  enum class State {
    /// Not sent, because an earlier request failed or the transaction was cancelled.
    notDone,
    done,
    failed,
  };

  State state = State::notDone;
  /// The errno, and the message of the kernel (extended acknowledgement).
  int error = 0;
  std::string text;
  std::optional<std::uint32_t> offset;
  /// Result of a query.
  Value value;
  /// Answers that only a roll-back needs. They are decoded on demand, because most transactions succeed.
  std::vector<OwnedMessage> undecoded;

  static Result failure(int error, std::string text = {}) {
    return {
        .state = State::failed, .error = error, .text = std::move(text), .offset = {}, .value = {}, .undecoded = {}};
  }
};

/// Requests that are executed in order, in any number of namespaces.
struct Transaction {
  std::vector<Request> requests;
  /// One result for each request.
  std::vector<Result> results;
  /// True if a failed request prevents later ones from being sent.
  bool stopOnError = true;
  /// True if the values of the results are for a roll-back, which is needed only if not all requests succeeded.
  bool capturesUndo = false;
  /// Requests of one namespace run in order within a lane.
  std::string lane;
  /// Set to prevent requests that are not sent yet from being sent.
  std::atomic<bool> cancelled = false;

  /// The packed results; empty if packing failed.
  std::optional<Bytes> answer;

  /// Index of the first request that the engine has not processed.
  std::size_t next = 0;
  bool failed = false;
};

using TransactionPointer = std::shared_ptr<Transaction>;

}  // namespace vethwork
