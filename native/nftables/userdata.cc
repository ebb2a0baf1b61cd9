#include "nftables/userdata.h"

#include <memory>

namespace vethwork {
namespace {

/// NFTNL_UDATA_RULE_COMMENT, NFTNL_UDATA_OBJ_COMMENT
constexpr std::uint8_t commentEntry = 0;
/// Limit of nft (NFTNL_UDATA_COMMENT_MAXLEN).
constexpr std::size_t maximumComment = 128;

class Comment final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    const auto* text = value.as<std::string>();
    if (text == nullptr || text->empty() || text->size() > maximumComment || text->find('\0') != std::string::npos) {
      to.path.reject(value, "a text of 1 to " + std::to_string(maximumComment) + " bytes without NUL");
    }
    UserData userData;
    userData.addText(commentEntry, *text);
    to.batch.put(attribute, Span(userData.bytes()));
  }

  [[nodiscard]] Value decode(Span payload) const override {
    const auto comment = UserData::find(payload, commentEntry);
    return comment ? text(maximumComment)->decode(*comment) : Value();
  }
};

}  // namespace

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

CodecPointer nftComment() { return std::make_shared<Comment>(); }

}  // namespace vethwork
