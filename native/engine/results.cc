#include "engine/results.h"

#include <algorithm>
#include <utility>

#include "value/pack.h"

namespace vethwork {
namespace {

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
    return result.state == Result::State::done && (transaction.remembers || result.value.isNull());
  };
  if (std::ranges::all_of(transaction.results, isPlain)) {
    return {};
  }
  List list;
  list.reserve(transaction.results.size());
  for (Result& result : transaction.results) {
    list.emplace_back(toMap(result));
  }
  return pack(list);
}

}  // namespace vethwork
