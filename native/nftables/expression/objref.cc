#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

/// Refers to a named object, or to the object that a map has for the key in a register.
const Schema objrefAttributes{{
                                  {"type", NFTA_OBJREF_IMM_TYPE, enum32(nftObjectTypes(), Order::network)},
                                  {"name", NFTA_OBJREF_IMM_NAME, nftName()},
                                  {"sourceRegister", NFTA_OBJREF_SET_SREG, nftRegister()},
                                  {"map", NFTA_OBJREF_SET_NAME, nftName()},
                              },
                              {NFTA_OBJREF_SET_ID}};

void checkObjref(const Map& expression, const Path& path) {
  const auto has = [&](std::string_view key) { return given(expression, key) != nullptr; };
  const bool byName = has("type") && has("name") && !has("map") && !has("sourceRegister");
  const bool byMap = has("map") && has("sourceRegister") && !has("type") && !has("name");
  if (!byName && !byMap) {
    path.reject(expression, "either an object's type and name, or a map and a sourceRegister");
  }
}

}  // namespace

const ExpressionKind objrefExpression{
    .name = "objref", .kernelName = "objref", .attributes = objrefAttributes, .check = checkObjref};

}  // namespace vethwork
