#pragma once

#include <compare>
#include <string>

#include "netlink/unique_fd.h"
#include "schema/encoder.h"
#include "value/value.h"

namespace vethwork {

/// Where namespaces are pinned, as iproute2 does.
inline constexpr const char* pinFolder = "/run/netns";

/// Names a network namespace by the path under which the kernel shows it; empty is the process's own.
class NamespaceReference {
 public:
  NamespaceReference() = default;

  /// A name under /run/netns, an absolute path, a pid, or null for the process's own. @throws ValidationError
  static NamespaceReference parse(const Value& reference, const Path& path);
  static NamespaceReference ofName(std::string_view name);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool isOwn() const { return path_.empty(); }

  /// Of the path of another reference.
  static NamespaceReference ofPath(std::string path);

  /// @throws std::system_error: ENOENT where there is none, EINVAL where it is not a network namespace.
  [[nodiscard]] UniqueFd open() const;

  auto operator<=>(const NamespaceReference&) const = default;

 private:
  std::string path_;
};

/// A name that can be pinned: 1 to 255 bytes, no slash, not `.` or `..`. @throws ValidationError
const std::string& checkNamespaceName(const Value& name, const Path& path);

}  // namespace vethwork
