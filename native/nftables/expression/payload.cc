#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

const EnumNames bases{{"link", NFT_PAYLOAD_LL_HEADER},
                      {"network", NFT_PAYLOAD_NETWORK_HEADER},
                      {"transport", NFT_PAYLOAD_TRANSPORT_HEADER}};

const EnumNames checksums{
    {"none", NFT_PAYLOAD_CSUM_NONE}, {"inet", NFT_PAYLOAD_CSUM_INET}, {"sctp", NFT_PAYLOAD_CSUM_SCTP}};

/// Loads into `register`, or writes from `sourceRegister` and corrects the checksum.
const Schema payloadAttributes{{
                                   {"register", NFTA_PAYLOAD_DREG, nftRegister()},
                                   {"sourceRegister", NFTA_PAYLOAD_SREG, nftRegister()},
                                   {"base", NFTA_PAYLOAD_BASE, enum32(bases, Order::network), Presence::required},
                                   {"offset", NFTA_PAYLOAD_OFFSET, be32(0, 0xff), Presence::required},
                                   {"length", NFTA_PAYLOAD_LEN, be32(1, maximumRegisterBytes), Presence::required},
                                   {"checksum", NFTA_PAYLOAD_CSUM_TYPE, enum32(checksums, Order::network)},
                                   {"checksumOffset", NFTA_PAYLOAD_CSUM_OFFSET, be32(0, 0xff)},
                               },
                               {NFTA_PAYLOAD_CSUM_FLAGS}};

}  // namespace

const ExpressionKind payloadExpression{
    .name = "payload",
    .kernelName = "payload",
    .attributes = payloadAttributes,
    .flags = {NFTA_PAYLOAD_CSUM_FLAGS, {{"pseudoHeader", NFT_PAYLOAD_L4CSUM_PSEUDOHDR}}},
    .check = checkLoadOrSet};

}  // namespace vethwork
