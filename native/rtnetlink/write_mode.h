#pragma once

#include <linux/netlink.h>

#include "schema/arguments.h"

namespace vethwork {

/// Returns the flags for a mode: `create` fails if the object exists, `replace` replaces it, `append` adds another one.
inline std::uint16_t writeFlags(const Map& arguments, Path& path) {
  static const EnumNames modes{{"create", NLM_F_CREATE | NLM_F_EXCL},
                               {"replace", NLM_F_CREATE | NLM_F_REPLACE},
                               {"append", NLM_F_CREATE | NLM_F_APPEND}};
  const Value* mode = given(arguments, "mode");
  if (mode == nullptr) {
    return NLM_F_CREATE | NLM_F_EXCL;
  }
  const auto scope = path.at("mode");
  return static_cast<std::uint16_t>(word(string(*mode, path), path, modes));
}

/// Scopes of addresses and routes (rtnetlink(7)).
inline const EnumNames& scopeNames() {
  static const EnumNames words{{"global", 0}, {"site", 200}, {"link", 253}, {"host", 254}, {"nowhere", 255}};
  return words;
}

}  // namespace vethwork
