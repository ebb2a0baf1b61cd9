#include <array>

#include "nftables/message.h"
#include "nftables/objects.h"

namespace vethwork {
namespace {

const Schema tableAttributes{{
                                 {"name", NFTA_TABLE_NAME, nftName(), Presence::required},
                                 {"handle", NFTA_TABLE_HANDLE, be64(), Presence::reported},
                                 {"flags", NFTA_TABLE_FLAGS, unlessZero(be32()), Presence::reported},
                                 {"owner", NFTA_TABLE_OWNER, be32(), Presence::reported},
                             },
                             {NFTA_TABLE_USE, NFTA_TABLE_USERDATA}};

void encodeAddTable(const Map& command, Encoder& to) {
  const std::uint16_t exclusive = exclusiveFlag(command, to.path);
  beginNft(command, NFT_MSG_NEWTABLE, NLM_F_CREATE | exclusive, to);
  tableAttributes.encode(command, to, commandOthers);
}

void encodeDeleteTable(const Map& command, Encoder& to) {
  beginNft(command, NFT_MSG_DELTABLE, 0, to);
  tableAttributes.encode(command, to, commandOthers);
}

}  // namespace

CommandKinds tableCommands() {
  static constexpr std::array<CommandKind, 2> kinds{
      {{"table.add", encodeAddTable}, {"table.delete", encodeDeleteTable}}};
  return kinds;
}

Value decodeTable(const Message& message) {
  const auto header = netfilterHeader(message, NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWTABLE);
  if (!header) {
    return {};
  }
  Map table = nftObject("table", *header);
  tableAttributes.decode(message.attributes<nfgenmsg>(), table);
  return table;
}

}  // namespace vethwork
