#include "netns/reference.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "file/system_error.h"
#include "netns/identity.h"

namespace vethwork {
namespace {

constexpr std::string_view identityPrefix = "id:";

constexpr std::string_view expectedReference =
    "a network namespace: a name under /run/netns, an absolute path, or a pid";

}  // namespace

const std::string& checkNamespaceName(const Value& name, const Path& path) {
  const auto* text = name.as<std::string>();
  const bool fits = text != nullptr && !text->empty() && text->size() <= NAME_MAX && *text != "." && *text != ".." &&
                    text->find('/') == std::string::npos && text->find('\0') == std::string::npos;
  if (!fits) {
    path.reject(name, "a namespace name of 1 to 255 bytes without a slash");
  }
  return *text;
}

NamespaceReference NamespaceReference::ofName(std::string_view name) {
  NamespaceReference reference;
  reference.path_ = std::string(pinFolder) + '/' + std::string(name);
  return reference;
}

NamespaceReference NamespaceReference::ofKey(std::string_view key) {
  NamespaceReference reference;
  if (key.starts_with(identityPrefix)) {
    key.remove_prefix(identityPrefix.size());
    const std::size_t end = key.find(':');
    reference.identity_ = key.substr(0, end);
    key.remove_prefix(end + 1);
  }
  reference.path_ = key;
  return reference;
}

std::string NamespaceReference::key() const {
  return identity_.empty() ? path_ : std::string(identityPrefix) + identity_ + ':' + path_;
}

NamespaceReference NamespaceReference::parse(const Value& value, const Path& path) {
  NamespaceReference reference;
  if (value.isNull()) {
    return reference;
  }
  if (const auto* pid = value.as<std::int64_t>(); pid != nullptr && *pid > 0 && *pid <= INT_MAX) {
    reference.path_ = "/proc/" + std::to_string(*pid) + "/ns/net";
    return reference;
  }
  const auto* text = value.as<std::string>();
  if (text == nullptr || text->empty() || text->size() >= PATH_MAX || text->find('\0') != std::string::npos) {
    path.reject(value, expectedReference);
  }
  if (text->starts_with(identityPrefix) && text->find(":/") != std::string::npos) {
    return ofKey(*text);
  }
  if (text->front() != '/') {
    return ofName(checkNamespaceName(value, path));
  }
  constexpr std::string_view oldFolder = "/var/run/netns/";
  if (text->starts_with(oldFolder)) {
    return ofName(text->substr(oldFolder.size()));
  }
  reference.path_ = *text;
  return reference;
}

UniqueFd NamespaceReference::open() const {
  UniqueFd fd = openAny();
  verify(fd);
  return fd;
}

void NamespaceReference::verify(const UniqueFd& fd) const {
  if (!identity_.empty() && namespaceIdentity(fd.get()) != identity_) {
    throwSystemError(ENOENT, path_ + " is a different network namespace: the expected one was deleted");
  }
}

UniqueFd NamespaceReference::openAny() const {
  const char* path = isOwn() ? "/proc/self/ns/net" : path_.c_str();
  // O_NONBLOCK: the path may be a FIFO, and opening it must not wait for a writer.
  UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) {
    throwSystemError(errno, path);
  }
  struct statfs info {};
  if (::fstatfs(fd.get(), &info) != 0 || info.f_type != NSFS_MAGIC ||
      ::ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET) {
    // If a certain namespace is expected, any other file at its path shows that it was deleted.
    throwSystemError(identity_.empty() ? EINVAL : ENOENT, std::string(path) + " is not a network namespace");
  }
  return fd;
}

}  // namespace vethwork
