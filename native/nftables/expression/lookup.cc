#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

/// Matches if the key is in the set; with `register`, loads the data of the map. Register 0 is for verdict maps.
const Schema lookupAttributes{{
                                  {"set", NFTA_LOOKUP_SET, nftName(), Presence::required},
                                  {"sourceRegister", NFTA_LOOKUP_SREG, nftRegister(), Presence::required},
                                  {"register", NFTA_LOOKUP_DREG, nftRegister()},
                              },
                              {NFTA_LOOKUP_FLAGS, NFTA_LOOKUP_SET_ID}};

}  // namespace

const ExpressionKind lookupExpression{.name = "lookup",
                                      .kernelName = "lookup",
                                      .attributes = lookupAttributes,
                                      .flags = {NFTA_LOOKUP_FLAGS, {{"invert", NFT_LOOKUP_F_INV}}}};

}  // namespace vethwork
