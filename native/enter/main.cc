// vethwork-enter <namespace> <program> [argument …]
//
// Becomes the program, in a network namespace: the process stays the same, so that whoever started it has an ordinary
// child. A program of its own, because no thread of a Node.js process may be in another namespace when it forks.
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace {

/// What a shell exits with if it cannot start a program.
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
