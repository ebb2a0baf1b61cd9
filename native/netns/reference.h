#pragma once

#include <compare>
#include <string>

#include "netlink/unique_fd.h"
#include "schema/encoder.h"
#include "value/value.h"

namespace vethwork {

/// Where namespaces are pinned, as iproute2 does.
inline constexpr const char* pinFolder = "/run/netns";

/// Names a network namespace by the path under which the kernel shows it; empty is the process's own. With an identity,
/// it names no other namespace that is later found at the path.
class NamespaceReference {
 public:
  NamespaceReference() = default;

  /// A name under /run/netns, an absolute path, a pid, one of these with an identity (`id:<identity>:<path>`), or null
  /// for the process's own. @throws ValidationError
  static NamespaceReference parse(const Value& reference, const Path& path);
  static NamespaceReference ofName(std::string_view name);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool isOwn() const { return path_.empty(); }

  /// Of the key of another reference.
  static NamespaceReference ofKey(std::string_view key);

  /// Path and identity: equal for references to the same.
  [[nodiscard]] std::string key() const;

  /// @throws std::system_error: ENOENT where there is none or one of another identity, EINVAL where it is not a network
  /// namespace.
  [[nodiscard]] UniqueFd open() const;

  /// As `open`, whatever the identity: `verify` is to follow before the namespace is used.
  [[nodiscard]] UniqueFd openAny() const;
  /// @throws std::system_error ENOENT if the namespace is of another identity
  void verify(const UniqueFd& fd) const;

  auto operator<=>(const NamespaceReference&) const = default;

 private:
  std::string path_;
  /// Of `namespaceIdentity`; empty if any namespace at the path is meant.
  std::string identity_;
};

/// A name that can be pinned: 1 to 255 bytes, no slash, not `.` or `..`. @throws ValidationError
const std::string& checkNamespaceName(const Value& name, const Path& path);

}  // namespace vethwork
