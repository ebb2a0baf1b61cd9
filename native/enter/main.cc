// vethwork-enter <namespace> <program> [argument …]
//
// Enters a network namespace and executes a program in the same process, so that the caller has an ordinary child
// process. It is a separate program, because no thread of a Node.js process may be in another namespace when it forks.
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace {

/// Exit status of shells if a program cannot be executed.
constexpr int notFound = 127;
constexpr int notStarted = 126;

int fail(const char* what) {
  const int error = errno;
  std::fprintf(stderr, "vethwork-enter: %s: %s\n", what, std::strerror(error));
  return error == ENOENT ? notFound : notStarted;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) {
    std::fprintf(stderr, "usage: vethwork-enter <namespace> <program> [argument ...]\n");
    return 2;
  }
  const int netns = ::open(arguments[1], O_RDONLY | O_CLOEXEC);
  if (netns < 0 || ::setns(netns, CLONE_NEWNET) != 0) {
    return fail(arguments[1]);
  }
  ::execvp(arguments[2], arguments + 2);
  return fail(arguments[2]);
}
