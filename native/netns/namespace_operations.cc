#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "netns/operations.h"
#include "netns/pin.h"
#include "netns/reference.h"
#include "schema/arguments.h"

namespace vethwork {
namespace {

void checkName(const Map& arguments, Path& path) {
  const auto scope = path.at("name");
  (void)checkNamespaceName(member(arguments, "name"), path);
}

const std::string& name(const Map& arguments) { return *arguments.find("name")->as<std::string>(); }

Value add(const Map& arguments, Worker& worker) {
  createNamespace(worker.home, name(arguments));
  return {};
}

Value remove(const Map& arguments, Worker&) {
  deleteNamespace(name(arguments));
  return {};
}

Value inode(const NamespaceReference& reference) {
  struct stat status {};
  if (::fstat(reference.open().get(), &status) != 0) {
    throw std::system_error(errno, std::generic_category(), reference.path());
  }
  return static_cast<std::uint64_t>(status.st_ino);
}

void checkNothing(const Map&, Path&) {}

Value list(const Map&, Worker&) {
  List namespaces;
  for (const std::string& pinned : listNamespaces()) {
    try {
      namespaces.emplace_back(Map{{"name", pinned}, {"inode", inode(NamespaceReference::ofName(pinned))}});
    } catch (const std::system_error&) {
      // Gone meanwhile.
    }
  }
  return namespaces;
}

Value get(const Map& arguments, Worker&) {
  const auto reference = NamespaceReference::parse(member(arguments, "netns"), Path());
  return Map{{"inode", inode(reference)}};
}

}  // namespace

OperationKinds namespaceOperations() {
  using Place = DirectOperation::Place;
  static const std::array<OperationKind, 4> kinds{{
      {"namespace.add", DirectOperation{.check = checkName, .run = add, .place = Place::outside}, {"name"}},
      {"namespace.delete", DirectOperation{.check = checkName, .run = remove, .place = Place::outside}, {"name"}},
      {"namespace.list", DirectOperation{.check = checkNothing, .run = list, .place = Place::outside}, {}},
      {"namespace.get", DirectOperation{.check = checkNothing, .run = get, .place = Place::outside}, {"netns"}},
  }};
  return kinds;
}

}  // namespace vethwork
