#pragma once

#include <string>
#include <system_error>

namespace vethwork {

/// Throws the failure of a system call. `error` is an errno value.
[[noreturn]] inline void throwSystemError(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

}  // namespace vethwork
