#pragma once

#include <linux/netlink.h>

#include "schema/arguments.h"

namespace vethwork {

/// The flags of a message that writes an object: `create` fails if it exists, `replace` makes it so whatever exists,
/// `append` adds beside what exists.
inline std::uint16_t writeFlags(const Map& arguments, Path& path) {
  static const Words modes{{"create", NLM_F_CREATE | NLM_F_EXCL},
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
inline const Words& scopeWords() {
  static const Words words{{"global", 0}, {"site", 200}, {"link", 253}, {"host", 254}, {"nowhere", 255}};
  return words;
}

}  // namespace vethwork
