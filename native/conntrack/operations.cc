#include <linux/netfilter.h>
#include <linux/netlink.h>

#include <algorithm>
#include <array>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conntrack/connection.h"
#include "conntrack/conntrack.h"
#include "conntrack/create.h"
#include "conntrack/delete.h"
#include "schema/arguments.h"

namespace vethwork {
namespace {

ConnectionFilter filterOf(const Map& arguments, Path& path) {
  const auto scope = path.at("filter");
  return ConnectionFilter::parse(member(arguments, "filter"), path);
}

void encodeListConnections(const Map& arguments, Encoder& to) {
  if (given(arguments, "filter") == nullptr) {
    encodeConnectionDump(to.batch, NFPROTO_UNSPEC);
    return;
  }
  const ConnectionFilter filter = filterOf(arguments, to.path);
  encodeConnectionDump(to.batch, filter.family(), filter.mark);
}

/// The kernel selects by family and mark only.
std::function<Value(const Message&)> selectConnections(const Map& arguments) {
  if (given(arguments, "filter") == nullptr) {
    return decodeConnection;
  }
  Path path;
  return [filter = filterOf(arguments, path)](const Message& message) {
    return filter.matches(message) ? decodeConnection(message) : Value();
  };
}

constexpr std::array<std::pair<std::string_view, bool>, 2> creationModes{{{"create", false}, {"replace", true}}};

/// True for the mode `replace`.
bool replaces(const Map& arguments, Path& path) {
  const Value* mode = given(arguments, "mode");
  if (mode == nullptr) {
    return false;
  }
  const auto scope = path.at("mode");
  const auto found = std::ranges::find(creationModes, string(*mode, path), &decltype(creationModes)::value_type::first);
  if (found == creationModes.end()) {
    path.reject(*mode, "'create' or 'replace'");
  }
  return found->second;
}

std::vector<NewConnection> connectionsOf(const Map& arguments, Path& path) {
  const auto scope = path.at("connections");
  const Value& value = member(arguments, "connections");
  const auto* list = value.as<List>();
  if (list == nullptr) {
    path.reject(value, "a list of connections");
  }
  std::vector<NewConnection> connections;
  connections.reserve(list->size());
  for (std::size_t index = 0; index < list->size(); ++index) {
    const std::string label = listLabel(index);
    const auto position = path.at(label);
    connections.push_back(NewConnection::parse((*list)[index], path));
  }
  return connections;
}

void checkAdd(const Map& arguments, Path& path) {
  (void)replaces(arguments, path);
  (void)connectionsOf(arguments, path);
}

void runAdd(std::span<const Map* const> requests, Exchange& exchange) {
  Path path;
  for (const Map* arguments : requests) {
    createConnections(connectionsOf(*arguments, path), replaces(*arguments, path), exchange);
  }
}

void checkDelete(const Map& arguments, Path& path) { (void)filterOf(arguments, path); }

void runDelete(std::span<const Map* const> requests, Exchange& exchange) {
  Path path;
  std::vector<ConnectionFilter> filters;
  for (const Map* arguments : requests) {
    filters.push_back(filterOf(*arguments, path));
  }
  deleteConnections(filters, exchange);
}

}  // namespace

OperationKinds conntrackOperations() {
  static const std::array<OperationKind, 3> kinds{{
      {"conntrack.list",
       NetlinkOperation{.protocol = NETLINK_NETFILTER,
                        .encode = encodeListConnections,
                        .decode = decodeConnection,
                        .sending = NetlinkOperation::Sending::dump,
                        .select = selectConnections},
       {"netns", "filter"}},
      {"conntrack.add",
       ExchangeOperation{.protocol = NETLINK_NETFILTER, .joins = false, .check = checkAdd, .run = runAdd},
       {"netns", "connections", "mode"}},
      {"conntrack.delete",
       ExchangeOperation{.protocol = NETLINK_NETFILTER, .joins = true, .check = checkDelete, .run = runDelete},
       {"netns", "filter"}},
  }};
  return kinds;
}

}  // namespace vethwork
