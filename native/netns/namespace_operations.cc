#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "netns/identity.h"
#include "netns/operations.h"
#include "netns/pin.h"
#include "netns/reference.h"
#include "schema/arguments.h"
#include "schema/schema.h"

namespace vethwork {
namespace {

void checkName(const Map& arguments, Path& path) {
  const auto scope = path.at("name");
  (void)checkNamespaceName(member(arguments, "name"), path);
}

const std::string& name(const Map& arguments) { return *arguments.find("name")->as<std::string>(); }

Value addNamespace(const Map& arguments, Worker& worker) {
  createNamespace(worker.original, name(arguments));
  return {};
}

Value remove(const Map& arguments, Worker&) {
  deleteNamespace(name(arguments));
  return {};
}

Map describe(const NamespaceReference& reference) {
  const UniqueFd fd = reference.open();
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) {
    throw std::system_error(errno, std::generic_category(), reference.path());
  }
  Map description{{"inode", static_cast<std::uint64_t>(status.st_ino)}};
  if (std::string identity = namespaceIdentity(fd.get()); !identity.empty()) {
    description.set("identity", std::move(identity));
  }
  return description;
}

void checkNothing(const Map&, Path&) {}

Value listNamespaceNames(const Map&, Worker&) {
  List namespaces;
  for (const std::string& pinned : listNamespaces()) {
    try {
      Map description = describe(NamespaceReference::ofName(pinned));
      description.set("name", pinned);
      namespaces.emplace_back(std::move(description));
    } catch (const std::system_error&) {
      // Deleted meanwhile.
    }
  }
  return namespaces;
}

Value getNamespace(const Map& arguments, Worker&) {
  return describe(NamespaceReference::parse(member(arguments, "netns"), Path()));
}

const Schema identity{{{"id", NETNSA_NSID, i32(-1, maximumIndex)}}, {NETNSA_CURRENT_NSID}};

void encodeNamespaceIdentity(const Map& arguments, Encoder& to) {
  to.batch.begin(RTM_GETNSID, 0);
  to.batch.header(rtgenmsg{.rtgen_family = AF_UNSPEC});
  const auto scope = to.path.at("target");
  namespaceDescriptor()->encode(member(arguments, "target"), NETNSA_FD, to);
}

Value decodeIdentity(const Message& message) {
  if (message.header.nlmsg_type != RTM_NEWNSID) {
    return {};
  }
  Map answer;
  identity.decode(message.attributes<rtgenmsg>(), answer);
  return member(answer, "id");
}

}  // namespace

OperationKinds namespaceOperations() {
  using Place = DirectOperation::Place;
  static const std::array<OperationKind, 5> kinds{{
      {"namespace.add",
       DirectOperation{.check = checkName, .run = addNamespace, .place = Place::outside, .replacesNamespace = true},
       {"name"}},
      {"namespace.delete",
       DirectOperation{.check = checkName, .run = remove, .place = Place::outside, .replacesNamespace = true},
       {"name"}},
      {"namespace.id",
       NetlinkOperation{.protocol = NETLINK_ROUTE, .encode = encodeNamespaceIdentity, .decode = decodeIdentity},
       {"netns", "target"}},
      {"namespace.list",
       DirectOperation{.check = checkNothing, .run = listNamespaceNames, .place = Place::outside},
       {}},
      {"namespace.get",
       DirectOperation{.check = checkNothing, .run = getNamespace, .place = Place::outside},
       {"netns"}},
  }};
  return kinds;
}

}  // namespace vethwork
