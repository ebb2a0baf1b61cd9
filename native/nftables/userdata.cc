#include "nftables/userdata.h"

namespace vethwork {

void UserData::add(std::uint8_t type, Span value) {
  bytes_.push_back(type);
  bytes_.push_back(static_cast<std::uint8_t>(value.size()));
  bytes_.insert(bytes_.end(), value.begin(), value.end());
}

void UserData::addText(std::uint8_t type, std::string_view text) {
  Bytes terminated(text.begin(), text.end());
  terminated.push_back(0);
  add(type, terminated);
}

std::optional<Span> UserData::find(Span userData, std::uint8_t type) {
  while (userData.size() >= 2 && userData.size() - 2 >= userData[1]) {
    const Span value = userData.subspan(2, userData[1]);
    if (userData[0] == type) {
      return value;
    }
    userData = userData.subspan(2u + value.size());
  }
  return std::nullopt;
}

}  // namespace vethwork
