#include "rtnetlink/object_operations.h"

#include <linux/netlink.h>

namespace vethwork {

std::vector<OperationKind> objectOperations(const RouteObject& object) {
  const std::string name(object.name);
  std::vector<std::string_view> addTakes{"netns", object.name};
  addTakes.insert(addTakes.end(), object.addTakes.begin(), object.addTakes.end());
  std::vector<std::string_view> listTakes{"netns"};
  listTakes.insert(listTakes.end(), object.listTakes.begin(), object.listTakes.end());
  return {
      {name + ".add",
       NetlinkOperation{.protocol = NETLINK_ROUTE,
                        .encode = object.add,
                        .decode = object.echoes ? object.decode : nullptr,
                        .hasOptionalReply = object.echoes},
       std::move(addTakes)},
      {name + ".delete",
       NetlinkOperation{.protocol = NETLINK_ROUTE, .encode = object.remove, .final = true},
       {"netns", object.name}},
      {name + ".list",
       NetlinkOperation{.protocol = NETLINK_ROUTE,
                        .encode = object.list,
                        .decode = object.decode,
                        .sending = NetlinkOperation::Sending::dump},
       std::move(listTakes)},
  };
}

}  // namespace vethwork
