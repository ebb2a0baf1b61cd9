#include "nftables/message.h"

#include <algorithm>

namespace vethwork {

const EnumNames& nftFamilies() {
  static const EnumNames words{{"ip", NFPROTO_IPV4}, {"ip6", NFPROTO_IPV6},      {"inet", NFPROTO_INET},
                               {"arp", NFPROTO_ARP}, {"bridge", NFPROTO_BRIDGE}, {"netdev", NFPROTO_NETDEV}};
  return words;
}

const EnumNames& nftObjectTypes() {
  static const EnumNames words{{"counter", NFT_OBJECT_COUNTER},     {"quota", NFT_OBJECT_QUOTA},
                               {"ct helper", NFT_OBJECT_CT_HELPER}, {"limit", NFT_OBJECT_LIMIT},
                               {"tunnel", NFT_OBJECT_TUNNEL},       {"ct timeout", NFT_OBJECT_CT_TIMEOUT},
                               {"secmark", NFT_OBJECT_SECMARK},     {"ct expectation", NFT_OBJECT_CT_EXPECT},
                               {"synproxy", NFT_OBJECT_SYNPROXY}};
  return words;
}

bool isNftObjectType(std::string_view name) {
  return std::ranges::find(nftObjectTypes(), name, &EnumNames::value_type::first) != nftObjectTypes().end();
}

CodecPointer nftName() { return text(NFT_NAME_MAXLEN - 1, 1); }

std::uint8_t nftFamily(const Map& command, Path& path) {
  const auto scope = path.at("family");
  return static_cast<std::uint8_t>(word(string(member(command, "family"), path), path, nftFamilies()));
}

void beginNft(const Map& command, std::uint8_t message, std::uint16_t flags, Encoder& to) {
  beginNetfilter(to.batch, NFNL_SUBSYS_NFTABLES, message, flags, nftFamily(command, to.path));
}

std::uint16_t exclusiveFlag(const Map& command, Path& path) {
  const Value* exclusive = given(command, "exclusive");
  const auto scope = path.at("exclusive");
  return exclusive != nullptr && boolean(*exclusive, path) ? NLM_F_EXCL : 0;
}

Map nftObject(std::string_view object, const nfgenmsg& header) {
  return {{"object", object}, {"family", enumName(header.nfgen_family, nftFamilies())}};
}

}  // namespace vethwork
