#include <fcntl.h>

#include <array>
#include <cerrno>
#include <string>
#include <system_error>

#include "netns/operations.h"
#include "schema/arguments.h"

namespace vethwork {
namespace {

/// True for a path below /proc/sys/net without `.` and `..`. Segments may be device names, which may contain almost any
/// byte.
bool staysInside(const std::string& key) {
  if (key.empty() || key.size() > 255 || key.find('\0') != std::string::npos) {
    return false;
  }
  std::size_t start = 0;
  for (;;) {
    const std::size_t end = key.find('/', start);
    const std::string segment = key.substr(start, end - start);
    if (segment.empty() || segment == "." || segment == "..") {
      return false;
    }
    if (end == std::string::npos) {
      return true;
    }
    start = end + 1;
  }
}

void checkKey(const Map& arguments, Path& path) {
  const auto scope = path.at("key");
  const Value& key = member(arguments, "key");
  if (!staysInside(string(key, path))) {
    path.reject(key, "a path below /proc/sys/net, such as ipv4/ip_forward");
  }
}

void checkSetSysctl(const Map& arguments, Path& path) {
  checkKey(arguments, path);
  const auto scope = path.at("value");
  const Value& value = member(arguments, "value");
  const auto* text = value.as<std::string>();
  if (value.as<std::int64_t>() == nullptr &&
      (text == nullptr || text->size() > 4096 || text->find('\0') != std::string::npos)) {
    path.reject(value, "a number or a text of at most 4096 bytes without NUL");
  }
}

UniqueFd openKey(const Map& arguments, int mode) {
  // Resolves to the files of the calling thread's namespace.
  const std::string path = "/proc/sys/net/" + *arguments.find("key")->as<std::string>();
  UniqueFd fd(::open(path.c_str(), mode | O_CLOEXEC));
  if (!fd) {
    throw std::system_error(errno, std::generic_category(), path);
  }
  return fd;
}

std::string readSysctl(const UniqueFd& fd) {
  std::array<char, 4096> text{};
  const ssize_t size = ::read(fd.get(), text.data(), text.size());
  if (size < 0) {
    throw std::system_error(errno, std::generic_category(), "read");
  }
  std::string value(text.data(), static_cast<std::size_t>(size));
  while (value.ends_with('\n')) {
    value.pop_back();
  }
  return value;
}

bool capturesSysctlUndo(const Map& arguments) {
  const auto* captureUndo = member(arguments, "captureUndo").as<bool>();
  return captureUndo != nullptr && *captureUndo;
}

/// Null if it is write-only.
Value former(const Map& arguments) {
  try {
    return readSysctl(openKey(arguments, O_RDONLY));
  } catch (const std::system_error&) {
    return {};
  }
}

Value setSysctl(const Map& arguments, Worker&) {
  const Value& value = *arguments.find("value");
  const auto* number = value.as<std::int64_t>();
  const std::string text = number != nullptr ? std::to_string(*number) : *value.as<std::string>();
  Value before = capturesSysctlUndo(arguments) ? former(arguments) : Value();
  const UniqueFd fd = openKey(arguments, O_WRONLY);
  if (::write(fd.get(), text.data(), text.size()) < 0) {
    throw std::system_error(errno, std::generic_category(), "write");
  }
  return before;
}

Value getSysctl(const Map& arguments, Worker&) { return readSysctl(openKey(arguments, O_RDONLY)); }

}  // namespace

OperationKinds sysctlOperations() {
  static const std::array<OperationKind, 2> kinds{{
      {"sysctl.set", DirectOperation{.check = checkSetSysctl, .run = setSysctl}, {"netns", "key", "value"}},
      {"sysctl.get", DirectOperation{.check = checkKey, .run = getSysctl}, {"netns", "key"}},
  }};
  return kinds;
}

}  // namespace vethwork
