#include "engine/execute.h"

#include <cerrno>
#include <functional>
#include <new>
#include <optional>
#include <system_error>
#include <vector>

#include "netlink/faults.h"

namespace vethwork {
namespace {

/// Maximum of requests in a run, so that a send and its answers fit into the socket buffers.
constexpr std::size_t maximumRun = 128;

const NetlinkOperation* netlinkOperation(const Request& request) {
  return std::get_if<NetlinkOperation>(&request.kind->how);
}

const DirectOperation* directOperation(const Request& request) {
  return std::get_if<DirectOperation>(&request.kind->how);
}

const ExchangeOperation* exchangeOperation(const Request& request) {
  return std::get_if<ExchangeOperation>(&request.kind->how);
}

bool isJoined(const Request& request) {
  const NetlinkOperation* operation = netlinkOperation(request);
  return operation != nullptr && operation->sending == NetlinkOperation::Sending::joined;
}

/// True for short system calls inside the namespace, which several requests can follow.
bool isInside(const Request& request) {
  const DirectOperation* operation = directOperation(request);
  return operation != nullptr && operation->place == DirectOperation::Place::inside && !operation->blocks;
}

bool isOutside(const Request& request) {
  const DirectOperation* operation = directOperation(request);
  return operation != nullptr && operation->place == DirectOperation::Place::outside;
}

/// True if `later` can be part of the run that starts with `front`.
bool sharesRun(const Transaction& transaction, const Request& front, const Request& later) {
  if (later.netns != front.netns) {
    return false;
  }
  if (isJoined(front)) {
    const NetlinkOperation* operation = netlinkOperation(later);
    return isJoined(later) && operation->protocol == netlinkOperation(front)->protocol &&
           !(operation->final && transaction.stopOnError);
  }
  if (const ExchangeOperation* operation = exchangeOperation(front)) {
    return operation->joins && later.kind == front.kind;
  }
  return isInside(front) && isInside(later);
}

/// Sets the result of all requests of a run.
void fill(const Run& run, const Result& result) {
  for (std::size_t index = run.first; index < run.last; ++index) {
    run.transaction->results[index] = result;
  }
}

/// Runs the body and converts its exceptions into a failure.
template <typename Body>
Result attempt(Body&& body) {
  try {
    return body();
  } catch (const std::system_error& error) {
    return Result::failure(error.code().value(), error.what());
  } catch (const ValidationError& error) {
    return Result::failure(EINVAL, error.field() + ": expected " + error.expected());
  } catch (const std::bad_alloc&) {
    return Result::failure(ENOMEM);
  }
}

/// Opens the namespaces that messages refer to, and keeps the descriptors open until the messages are sent.
class NamespaceDescriptors {
 public:
  /// Writes the descriptors into a request's messages. A failure becomes the result of the request.
  [[nodiscard]] Result fill(Batch& messages) {
    return attempt([&] {
      for (std::size_t slot = 0; slot < messages.slots().size(); ++slot) {
        const auto& netns = NamespaceReference::ofKey(messages.slots()[slot].netns);
        messages.fill(slot, held_.emplace_back(netns.open()).get());
      }
      return Result();
    });
  }

 private:
  std::vector<UniqueFd> held_;
};

/// Sets the result of a request, which may have several messages, to the first failure.
void settle(const Request& request, Result& result, std::span<const Outcome> outcomes) {
  for (std::size_t message = 0; message < outcomes.size(); ++message) {
    const Outcome& outcome = outcomes[message];
    if (outcome.error != 0) {
      result.state = Result::State::failed;
      result.error = outcome.error;
      result.text = outcome.text;
      result.offset = outcome.offset;
      if (const auto describe = netlinkOperation(request)->describe; describe != nullptr) {
        result.text = describe(request.arguments, message) + (outcome.text.empty() ? "" : ": " + outcome.text);
      }
      return;
    }
  }
  result.state = Result::State::done;
}

/// Position of a request's messages in the batch.
struct Placed {
  const Request* request;
  Result* result;
  std::size_t first;
  std::size_t last;
};

void exchangeJoined(std::span<const Placed> placed, Batch& batch, Session& session, Worker& worker) {
  const int protocol = netlinkOperation(*placed.front().request)->protocol;
  const auto onReply = [&](std::size_t position, const Message& message) {
    for (const Placed& one : placed) {
      const NetlinkOperation& operation = *netlinkOperation(*one.request);
      if (position < one.first || position >= one.last || operation.decode == nullptr) {
        continue;
      }
      if (operation.hasOptionalReply) {
        one.result->undecoded.emplace_back(message);
      } else if (Value answer = operation.decode(message); !answer.isNull()) {
        one.result->value = std::move(answer);
      }
    }
  };
  const std::vector<Outcome> outcomes = session.exchange(protocol, worker).request(batch, onReply);
  bool lost = false;
  for (const Placed& one : placed) {
    settle(*one.request, *one.result, std::span(outcomes).subspan(one.first, one.last - one.first));
    const NetlinkOperation& operation = *netlinkOperation(*one.request);
    const bool asked = operation.decode != nullptr && !operation.hasOptionalReply;
    if (asked && one.result->state == Result::State::done && one.result->value.isNull()) {
      *one.result = Result::failure(EBADMSG, "the answer of the kernel is malformed");
    }
    lost = lost || one.result->error == ETIMEDOUT;
  }
  if (lost) {
    session.reset();
  }
}

/// Appends the messages of the runs to one batch. A request that cannot be sent gets its result here.
void join(std::span<const Run> runs, NamespaceDescriptors& namespaces, Batch& batch, std::vector<Placed>& placed) {
  for (const Run& run : runs) {
    Transaction& transaction = *run.transaction;
    for (std::size_t index = run.first; index < run.last; ++index) {
      Request& request = transaction.requests[index];
      Result& result = transaction.results[index];
      result = namespaces.fill(request.messages);
      if (result.state != Result::State::failed) {
        const std::size_t first = batch.size();
        placed.push_back({&request, &result, first, first + request.messages.size()});
        batch.append(request.messages);
      } else if (transaction.stopOnError) {
        break;
      }
    }
  }
}

void executeJoined(std::span<const Run> runs, Session& session, Worker& worker) {
  Batch batch;
  NamespaceDescriptors namespaces;
  std::vector<Placed> placed;
  const Result whole = attempt([&] {
    join(runs, namespaces, batch, placed);
    if (!placed.empty()) {
      exchangeJoined(placed, batch, session, worker);
    }
    return Result();
  });
  if (whole.state == Result::State::failed) {
    for (const Placed& one : placed) {
      *one.result = whole;
    }
  }
}

Result executeDump(Request& request, Session& session, Worker& worker) {
  const NetlinkOperation& operation = *netlinkOperation(request);
  NamespaceDescriptors namespaces;
  Result result = namespaces.fill(request.messages);
  if (result.state == Result::State::failed) {
    return result;
  }
  const std::function<Value(const Message&)> decode =
      operation.select == nullptr ? operation.decode : operation.select(request.arguments);
  List list;
  const Outcome outcome = session.exchange(operation.protocol, worker)
                              .dump(
                                  request.messages,
                                  [&](const Message& message) {
                                    if (Value value = decode(message); !value.isNull()) {
                                      list.push_back(std::move(value));
                                    }
                                  },
                                  [&] { list.clear(); });
  settle(request, result, std::span(&outcome, 1));
  if (outcome.error != 0) {
    // The remaining messages of the dump may still be in the socket and would block the next dump.
    session.reset();
  }
  result.value = std::move(list);
  return result;
}

/// Executes system calls in sequence and enters the namespace once for all of them.
void executeDirect(const Run& run, const Session& session, Worker& worker) {
  Transaction& transaction = *run.transaction;
  const bool inside = directOperation(run.front())->place == DirectOperation::Place::inside && session.fd() >= 0;
  const Result entered = attempt([&] {
    std::optional<NamespaceEntry> entry;
    if (inside) {
      entry.emplace(worker.original, session.fd());
    }
    for (std::size_t index = run.first; index < run.last; ++index) {
      const Request& request = transaction.requests[index];
      Result& result = transaction.results[index];
      result = attempt([&] {
        Faults::instance().directStep();
        Result done{.state = Result::State::done};
        done.value = directOperation(request)->run(request.arguments, worker);
        return done;
      });
      if (result.state == Result::State::failed && transaction.stopOnError) {
        break;
      }
    }
    return Result();
  });
  if (entered.state == Result::State::failed) {
    fill(run, entered);
  }
}

/// Executes the requests of several runs together.
void executeExchange(std::span<const Run> runs, Session& session, Worker& worker) {
  const ExchangeOperation& operation = *exchangeOperation(runs.front().front());
  std::vector<const Map*> arguments;
  for (const Run& run : runs) {
    for (std::size_t index = run.first; index < run.last; ++index) {
      arguments.push_back(&run.transaction->requests[index].arguments);
    }
  }
  const Result result = attempt([&] {
    operation.run(arguments, session.exchange(operation.protocol, worker));
    return Result{.state = Result::State::done};
  });
  for (const Run& run : runs) {
    fill(run, result);
  }
  if (result.state == Result::State::failed) {
    // Answers may be pending.
    session.reset();
  }
}

}  // namespace

bool replacesNamespace(const Request& request) {
  const DirectOperation* operation = directOperation(request);
  return operation != nullptr && operation->replacesNamespace;
}

Run nextRun(const TransactionPointer& transaction) {
  const auto& requests = transaction->requests;
  const std::size_t first = transaction->next;
  std::size_t last = first + 1;
  while (last < requests.size() && last - first < maximumRun &&
         sharesRun(*transaction, requests[first], requests[last])) {
    ++last;
  }
  return {transaction, first, last};
}

bool canJoin(const Run& one, const Run& other) {
  if (const ExchangeOperation* operation = exchangeOperation(one.front())) {
    return operation->joins && other.front().kind == one.front().kind;
  }
  return isJoined(one.front()) && isJoined(other.front()) &&
         netlinkOperation(one.front())->protocol == netlinkOperation(other.front())->protocol;
}

void execute(std::span<const Run> runs, Session& session, Worker& worker) {
  Request& front = runs.front().front();
  if (replacesNamespace(front)) {
    session.reset();
  } else if (!isOutside(front)) {
    const Result opened = attempt([&] {
      session.refresh();
      return Result();
    });
    if (opened.state == Result::State::failed) {
      for (const Run& run : runs) {
        fill(run, opened);
      }
      return;
    }
  }
  const NetlinkOperation* netlink = netlinkOperation(front);
  if (exchangeOperation(front) != nullptr) {
    executeExchange(runs, session, worker);
  } else if (netlink == nullptr) {
    executeDirect(runs.front(), session, worker);
  } else if (netlink->sending == NetlinkOperation::Sending::dump) {
    runs.front().transaction->results[runs.front().first] =
        attempt([&] { return executeDump(front, session, worker); });
  } else {
    executeJoined(runs, session, worker);
  }
}

}  // namespace vethwork
