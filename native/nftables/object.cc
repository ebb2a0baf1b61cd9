#include <arpa/inet.h>

#include <array>

#include "nftables/expression/kinds.h"
#include "nftables/message.h"
#include "nftables/objects.h"
#include "nftables/userdata.h"

namespace vethwork {
namespace {

const Schema objectAttributes{{
                                  {"table", NFTA_OBJ_TABLE, nftName(), Presence::required},
                                  {"name", NFTA_OBJ_NAME, nftName(), Presence::required},
                                  {"handle", NFTA_OBJ_HANDLE, be64(), Presence::reported},
                                  {"comment", NFTA_OBJ_USERDATA, nftComment()},
                              },
                              {NFTA_OBJ_TYPE, NFTA_OBJ_DATA, NFTA_OBJ_USE}};

/// Initial values of a counter. The attributes are those of the counter expression.
const Schema& counterData() { return counterExpression.attributes; }

constexpr std::array<std::string_view, 5> objectOthers{"command", "family", "exclusive", "packets", "bytes"};
constexpr std::array<std::string_view, 6> dataOthers{"command", "family", "exclusive", "table", "name", "comment"};

void putType(std::uint32_t type, Encoder& to) { to.batch.put(NFTA_OBJ_TYPE, htonl(type)); }

void encodeAddObject(const Map& command, Encoder& to) {
  const std::uint16_t exclusive = exclusiveFlag(command, to.path);
  beginNft(command, NFT_MSG_NEWOBJ, NLM_F_CREATE | exclusive, to);
  objectAttributes.encode(command, to, objectOthers);
  putType(NFT_OBJECT_COUNTER, to);
  const auto data = to.batch.nest(NFTA_OBJ_DATA);
  counterData().encode(command, to, dataOthers);
}

void encodeDeleteObject(const Map& command, Encoder& to) {
  static const Schema reference{{"table", NFTA_OBJ_TABLE, nftName(), Presence::required},
                                {"name", NFTA_OBJ_NAME, nftName(), Presence::required}};
  beginNft(command, NFT_MSG_DELOBJ, 0, to);
  reference.encode(command, to, commandOthers);
  putType(NFT_OBJECT_COUNTER, to);
}

}  // namespace

CommandKinds objectCommands() {
  static constexpr std::array<CommandKind, 2> kinds{
      {{"counter.add", encodeAddObject}, {"counter.delete", encodeDeleteObject}}};
  return kinds;
}

Value decodeObject(const Message& message) {
  const auto header = netfilterHeader(message, NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWOBJ);
  if (!header) {
    return {};
  }
  const Span rest = message.attributes<nfgenmsg>();
  const Span data = findAttribute(rest, NFTA_OBJ_DATA).value_or(Span());
  const auto raw = readAs<std::uint32_t>(findAttribute(rest, NFTA_OBJ_TYPE).value_or(Span()));
  const std::uint32_t type = raw ? ntohl(*raw) : 0;
  Map object = nftObject(type == NFT_OBJECT_COUNTER ? "counter" : "opaque", *header);
  objectAttributes.decode(rest, object);
  if (type == NFT_OBJECT_COUNTER) {
    counterData().decode(data, object);
  } else {
    object.set("type", enumName(type, nftObjectTypes()));
    object.set("data", Bytes(data.begin(), data.end()));
  }
  return object;
}

}  // namespace vethwork
