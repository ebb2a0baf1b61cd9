#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <system_error>

#include "netns/operations.h"
#include "schema/arguments.h"
#include "schema/schema.h"

namespace vethwork {
namespace {

/// Used for its checks only: taps are created by system calls.
const Schema& properties() {
  static const EnumNames modes{{"tap", IFF_TAP}, {"tun", IFF_TUN}};
  static const Schema schema{{
      {"name", 1, interfaceName(), Presence::required},
      {"index", 2, u32(1, maximumIndex)},
      {"owner", 3, u32(0, INT_MAX)},
      {"group", 4, u32(0, INT_MAX)},
      {"multiQueue", 5, boolean8()},
      {"vnetHeader", 6, boolean8()},
      {"mode", 7, enum8(modes)},
  }};
  return schema;
}

void checkTap(const Map& arguments, Path& path) {
  const Map& tap = part(arguments, "tap", path);
  const auto scope = path.at("tap");
  Batch discarded;
  Encoder encoder{.batch = discarded, .path = path};
  properties().encode(tap, encoder);
}

bool isTapOptionTrue(const Map& map, std::string_view key) {
  const bool* flag = member(map, key).as<bool>();
  return flag != nullptr && *flag;
}

void control(int fd, unsigned long request, auto argument, const char* what) {
  if (::ioctl(fd, request, argument) != 0) {
    throw std::system_error(errno, std::generic_category(), what);
  }
}

Value addTap(const Map& arguments, Worker&) {
  const Map& tap = *arguments.find("tap")->as<Map>();
  const UniqueFd fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  if (!fd) {
    throw std::system_error(errno, std::generic_category(), "/dev/net/tun");
  }
  ifreq request{};
  const std::string& name = *tap.find("name")->as<std::string>();
  std::memcpy(request.ifr_name, name.data(), name.size());
  // Without TUN_EXCL, an existing tap of this name would be opened.
  const auto* mode = member(tap, "mode").as<std::string>();
  int flags = (mode != nullptr && *mode == "tun" ? IFF_TUN : IFF_TAP) | IFF_NO_PI | IFF_TUN_EXCL;
  flags |= isTapOptionTrue(tap, "multiQueue") ? IFF_MULTI_QUEUE : 0;
  flags |= isTapOptionTrue(tap, "vnetHeader") ? IFF_VNET_HDR : 0;
  request.ifr_flags = static_cast<short>(flags);
  if (const auto* index = member(tap, "index").as<std::int64_t>()) {
    const auto chosen = static_cast<unsigned int>(*index);
    control(fd.get(), TUNSETIFINDEX, &chosen, "TUNSETIFINDEX");
  }
  control(fd.get(), TUNSETIFF, &request, "TUNSETIFF");
  if (const auto* owner = member(tap, "owner").as<std::int64_t>()) {
    control(fd.get(), TUNSETOWNER, static_cast<unsigned long>(*owner), "TUNSETOWNER");
  }
  if (const auto* group = member(tap, "group").as<std::int64_t>()) {
    control(fd.get(), TUNSETGROUP, static_cast<unsigned long>(*group), "TUNSETGROUP");
  }
  // Until TUNSETPERSIST, the device is deleted with the descriptor, so a failure leaves nothing behind.
  control(fd.get(), TUNSETPERSIST, 1UL, "TUNSETPERSIST");
  return {};
}

}  // namespace

OperationKinds tapOperations() {
  static const std::array<OperationKind, 1> kinds{
      {{"tap.add", DirectOperation{.check = checkTap, .run = addTap}, {"netns", "tap"}}}};
  return kinds;
}

}  // namespace vethwork
