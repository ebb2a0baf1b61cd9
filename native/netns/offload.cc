#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "netlink/unique_fd.h"
#include "netns/operations.h"
#include "schema/arguments.h"

namespace vethwork {
namespace {

void checkLink(const Map& arguments, Path& path) { linkIndex(arguments, path); }

void checkSetOffload(const Map& arguments, Path& path) {
  checkLink(arguments, path);
  const auto scope = path.at("txChecksum");
  const Value& value = member(arguments, "txChecksum");
  if (value.as<bool>() == nullptr) {
    path.reject(value, "true or false");
  }
}

/// Queries or sets a feature of a link of the calling thread's namespace. Like `ethtool -k` and `ethtool -K`.
std::uint32_t askDriver(const Map& arguments, std::uint32_t command, std::uint32_t data) {
  const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) {
    throw std::system_error(errno, std::generic_category(), "socket");
  }
  ifreq request{};
  request.ifr_ifindex = static_cast<int>(*arguments.find("index")->as<std::int64_t>());
  if (::ioctl(fd.get(), SIOCGIFNAME, &request) != 0) {
    throw std::system_error(errno, std::generic_category(), "SIOCGIFNAME");
  }
  ethtool_value value{.cmd = command, .data = data};
  request.ifr_data = reinterpret_cast<char*>(&value);
  if (::ioctl(fd.get(), SIOCETHTOOL, &request) != 0) {
    throw std::system_error(errno, std::generic_category(), "SIOCETHTOOL");
  }
  return value.data;
}

Value setOffload(const Map& arguments, Worker&) {
  askDriver(arguments, ETHTOOL_STXCSUM, *arguments.find("txChecksum")->as<bool>() ? 1 : 0);
  return {};
}

Value getOffload(const Map& arguments, Worker&) {
  return Map{{"txChecksum", askDriver(arguments, ETHTOOL_GTXCSUM, 0) != 0}};
}

}  // namespace

OperationKinds offloadOperations() {
  static const std::array<OperationKind, 2> kinds{{
      {"link.offload", DirectOperation{.check = checkSetOffload, .run = setOffload}, {"netns", "index", "txChecksum"}},
      {"link.offloads", DirectOperation{.check = checkLink, .run = getOffload}, {"netns", "index"}},
  }};
  return kinds;
}

}  // namespace vethwork
