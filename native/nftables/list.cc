#include "nftables/list.h"

#include <arpa/inet.h>

#include <cerrno>
#include <optional>
#include <system_error>

#include "nftables/element.h"
#include "nftables/message.h"
#include "nftables/objects.h"

namespace vethwork {
namespace {

constexpr int attempts = 8;

/// The requested tables; all if none is named.
struct Filter {
  std::optional<std::uint8_t> family;
  std::optional<std::string> table;
  bool elements = true;

  static Filter parse(const Map& arguments, Path& path) {
    Filter filter;
    if (given(arguments, "family") != nullptr) {
      filter.family = nftFamily(arguments, path);
    }
    if (const Value* table = given(arguments, "table")) {
      const auto scope = path.at("table");
      filter.table = string(*table, path);
    }
    if (const Value* elements = given(arguments, "elements")) {
      const auto scope = path.at("elements");
      filter.elements = boolean(*elements, path);
    }
    return filter;
  }

  [[nodiscard]] bool takes(const Map& object) const {
    const Value& name = member(object, *member(object, "object").as<std::string>() == "table" ? "name" : "table");
    const auto* text = name.as<std::string>();
    return !table || (text != nullptr && *text == *table);
  }
};

void require(const Outcome& outcome, const char* what) {
  if (outcome.error != 0) {
    throw std::system_error(outcome.error, std::generic_category(), what);
  }
}

/// Reads the generation id, which every committed transaction increments.
std::uint32_t rulesetGeneration(Exchange& exchange) {
  Batch batch;
  beginNetfilter(batch, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN, 0, AF_UNSPEC);
  std::uint32_t number = 0;
  const auto outcomes = exchange.request(batch, [&](std::size_t, const Message& message) {
    const auto id = findAttribute(message.attributes<nfgenmsg>(), NFTA_GEN_ID);
    number = readAs<std::uint32_t>(id.value_or(Span())).value_or(0);
  });
  require(outcomes.front(), "read the ruleset's generation");
  return number;
}

struct ObjectKind {
  std::uint8_t request;
  Value (*decode)(const Message& message);
};

List dumpObjects(const ObjectKind& kind, const Filter& filter, Exchange& exchange) {
  Batch batch;
  beginNetfilter(batch, NFNL_SUBSYS_NFTABLES, kind.request, NLM_F_DUMP, filter.family.value_or(AF_UNSPEC));
  List list;
  const Outcome outcome = exchange.dump(
      batch,
      [&](const Message& message) {
        Value object = kind.decode(message);
        if (!object.isNull() && filter.takes(*object.as<Map>())) {
          list.push_back(std::move(object));
        }
      },
      [&] { list.clear(); });
  require(outcome, "list the ruleset");
  return list;
}

List dumpElements(const Map& set, Exchange& exchange) {
  const Value& table = member(set, "table");
  const Value& name = member(set, "name");
  if (table.as<std::string>() == nullptr || name.as<std::string>() == nullptr) {
    return {};
  }
  Batch batch;
  Path path;
  beginNetfilter(batch, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETSETELEM, NLM_F_DUMP, nftFamily(set, path));
  batch.putText(NFTA_SET_ELEM_LIST_TABLE, *table.as<std::string>());
  batch.putText(NFTA_SET_ELEM_LIST_SET, *name.as<std::string>());
  ElementList elements(ElementTypes::ofListed(set));
  const Outcome outcome = exchange.dump(
      batch, [&](const Message& message) { elements.add(message); }, [&] { elements.clear(); });
  require(outcome, "list a set's elements");
  return elements.finish({{"object", "element"}, {"family", member(set, "family")}, {"table", table}, {"set", name}});
}

void append(List& list, List more) {
  list.insert(list.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

List listOnce(const Filter& filter, Exchange& exchange) {
  List list;
  append(list, dumpObjects({NFT_MSG_GETTABLE, decodeTable}, filter, exchange));
  append(list, dumpObjects({NFT_MSG_GETCHAIN, decodeChain}, filter, exchange));
  append(list, dumpObjects({NFT_MSG_GETOBJ, decodeObject}, filter, exchange));
  for (Value& set : dumpObjects({NFT_MSG_GETSET, decodeSet}, filter, exchange)) {
    List elements = filter.elements ? dumpElements(*set.as<Map>(), exchange) : List();
    list.push_back(std::move(set));
    append(list, std::move(elements));
  }
  append(list, dumpObjects({NFT_MSG_GETRULE, decodeRule}, filter, exchange));
  return list;
}

}  // namespace

void checkList(const Map& arguments, Path& path) { (void)Filter::parse(arguments, path); }

List listRuleset(const Map& arguments, Exchange& exchange) {
  Path path;
  const Filter filter = Filter::parse(arguments, path);
  for (int attempt = 0; attempt < attempts; ++attempt) {
    const std::uint32_t before = rulesetGeneration(exchange);
    List list;
    try {
      list = listOnce(filter, exchange);
    } catch (const std::system_error& error) {
      // A table or set may be deleted between two dumps. The generation shows that below.
      if (error.code().value() != ENOENT) {
        throw;
      }
    }
    if (rulesetGeneration(exchange) == before) {
      return list;
    }
  }
  throw std::system_error(EINTR, std::generic_category(), "list the ruleset: it changed repeatedly");
}

}  // namespace vethwork
