#pragma once

#include <compare>
#include <string>

#include "netlink/unique_fd.h"
#include "schema/encoder.h"
#include "value/value.h"

namespace vethwork {

/// Folder of pinned namespaces, as in iproute2.
inline constexpr const char* pinFolder = "/run/netns";

/// Refers to a network namespace by path; empty for that of the process. With an identity, it refers to no other
/// namespace that is later found at the path.
class NamespaceReference {
 public:
  NamespaceReference() = default;

  /// Reads a name under /run/netns, an absolute path, a pid, one of these with an identity (`id:<identity>:<path>`), or
  /// null for the namespace of the process. @throws ValidationError
  static NamespaceReference parse(const Value& reference, const Path& path);
  static NamespaceReference ofName(std::string_view name);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool isOwn() const { return path_.empty(); }

  /// Returns the reference that has this key.
  static NamespaceReference ofKey(std::string_view key);

  /// Path and identity. Equal references have equal keys.
  [[nodiscard]] std::string key() const;

  /// @throws std::system_error ENOENT if the namespace does not exist or has another identity, EINVAL if it is not a
  /// network namespace
  [[nodiscard]] UniqueFd open() const;

  /// Like `open`, but without a check of the identity: call `verify` before using the descriptor.
  [[nodiscard]] UniqueFd openAny() const;
  /// @throws std::system_error ENOENT if the namespace has another identity
  void verify(const UniqueFd& fd) const;

  auto operator<=>(const NamespaceReference&) const = default;

 private:
  std::string path_;
  /// Result of `namespaceIdentity`; empty if any namespace at the path is accepted.
  std::string identity_;
};

/// Checks a name for a pin: 1 to 255 bytes, no slash, not `.` or `..`. @throws ValidationError
const std::string& checkNamespaceName(const Value& name, const Path& path);

}  // namespace vethwork
