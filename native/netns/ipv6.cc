#include <fcntl.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <system_error>

#include "netlink/rtnl.h"
#include "netlink/unique_fd.h"
#include "netns/operations.h"
#include "schema/arguments.h"

namespace vethwork {
namespace {

void checkIpv6(const Map& arguments, Path& path) {
  linkIndex(arguments, path);
  const auto scope = path.at("disabled");
  const Value& value = member(arguments, "disabled");
  if (value.as<bool>() == nullptr) {
    path.reject(value, "true or false");
  }
}

bool capturesIpv6Undo(const Map& arguments) {
  const auto* captureUndo = member(arguments, "captureUndo").as<bool>();
  return captureUndo != nullptr && *captureUndo;
}

/// Sets disable_ipv6 and returns the previous value if it is to be captured. A link without IPv6 (the kernel was
/// started without it, or the MTU is below 1280) is left unchanged.
Value setIpv6(const Map& arguments, Worker&) {
  std::array<char, IF_NAMESIZE> name{};
  const auto index = static_cast<unsigned>(*arguments.find("index")->as<std::int64_t>());
  if (::if_indextoname(index, name.data()) == nullptr) {
    throw std::system_error(errno == ENXIO ? ENODEV : errno, std::generic_category(), "if_indextoname");
  }
  const std::string path = "/proc/sys/net/ipv6/conf/" + std::string(name.data()) + "/disable_ipv6";
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT) {
      return {};
    }
    throw std::system_error(errno, std::generic_category(), path);
  }
  Value before;
  if (char digit = 0; capturesIpv6Undo(arguments) && ::pread(fd.get(), &digit, 1, 0) == 1) {
    before = digit != '0';
  }
  const auto turn = Rtnl::sysctl();
  const char wanted = *arguments.find("disabled")->as<bool>() ? '1' : '0';
  if (::pwrite(fd.get(), &wanted, 1, 0) < 0) {
    throw std::system_error(errno, std::generic_category(), "write");
  }
  return before;
}

}  // namespace

OperationKinds ipv6Operations() {
  static const std::array<OperationKind, 1> kinds{{
      {"link.ipv6", DirectOperation{.check = checkIpv6, .run = setIpv6}, {"netns", "index", "disabled"}},
  }};
  return kinds;
}

}  // namespace vethwork
