#include "engine/results.h"

#include <algorithm>
#include <utility>

#include "value/pack.h"

namespace vethwork {
namespace {

/// Decodes stored answers. An atomic operation has several messages, each with an answer.
void readResult(const Request& request, Result& result) {
  const auto* operation = std::get_if<NetlinkOperation>(&request.kind->how);
  for (const OwnedMessage& kept : std::exchange(result.undecoded, {})) {
    Value answer = operation->decode(kept.message());
    if (answer.isNull()) {
      continue;
    }
    if (operation->sending != NetlinkOperation::Sending::atomic) {
      result.value = std::move(answer);
      continue;
    }
    if (result.value.isNull()) {
      result.value = List();
    }
    result.value.as<List>()->push_back(std::move(answer));
  }
}

Map toMap(Result& result) {
  Map map{{"done", result.state == Result::State::done}};
  if (result.state == Result::State::failed) {
    map.append("errno", result.error);
    if (!result.text.empty()) {
      map.append("text", std::move(result.text));
    }
    if (result.offset) {
      map.append("offset", *result.offset);
    }
  }
  if (!result.value.isNull()) {
    map.append("value", std::move(result.value));
  }
  return map;
}

}  // namespace

Bytes packResults(Transaction& transaction) {
  const auto isPlain = [&](const Result& result) {
    return result.state == Result::State::done &&
           (transaction.capturesUndo || (result.value.isNull() && result.undecoded.empty()));
  };
  if (std::ranges::all_of(transaction.results, isPlain)) {
    return {};
  }
  List list;
  list.reserve(transaction.results.size());
  for (std::size_t index = 0; index < transaction.results.size(); ++index) {
    Result& result = transaction.results[index];
    const Request& request = transaction.requests[index];
    readResult(request, result);
    if (request.digest && result.state == Result::State::done) {
      result.value = digestOf(std::move(result.value), *request.digest);
    }
    list.emplace_back(toMap(result));
  }
  return pack(list);
}

}  // namespace vethwork
