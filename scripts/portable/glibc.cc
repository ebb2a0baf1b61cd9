// Part of each packed binary (scripts/lib/portable.mjs): symbols that the headers or libstdc++.a of the build machine use,
// and that the oldest supported glibc does not have. If the linker reports an undefined symbol, add it here or do not use
// it.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

extern "C" {

/// glibc 2.32: true if the process has a single thread, so that libstdc++ can avoid atomic operations. Node.js has several.
extern char __libc_single_threaded;
char __libc_single_threaded = 0;

/// glibc 2.36, for std::random_device.
uint32_t arc4random() noexcept {
  uint32_t value = 0;
  while (getrandom(&value, sizeof value, 0) != sizeof value) {
  }
  return value;
}

/// glibc 2.30, for std::condition_variable. The clock of pthread_cond_timedwait() may be set meanwhile, so a wait ends after
/// a second at most. The caller takes that for a spurious wake-up.
int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock, const timespec* end) {
  constexpr int64_t second = 1'000'000'000;
  const auto nanoseconds = [](const timespec& time) { return time.tv_sec * second + time.tv_nsec; };
  timespec now{};
  clock_gettime(clock, &now);
  const int64_t left = nanoseconds(*end) - nanoseconds(now);
  if (left <= 0) {
    return ETIMEDOUT;
  }
  clock_gettime(CLOCK_REALTIME, &now);
  const int64_t until = nanoseconds(now) + (left < second ? left : second);
  const timespec deadline{.tv_sec = until / second, .tv_nsec = until % second};
  const int result = pthread_cond_timedwait(condition, mutex, &deadline);
  return result == ETIMEDOUT && left > second ? 0 : result;
}

/// glibc 2.30.
pid_t gettid() noexcept { return static_cast<pid_t>(syscall(SYS_gettid)); }

// glibc 2.33; inline functions before. On x64 and arm64, struct stat of glibc equals that of the kernel, and struct stat64
// (used with _FILE_OFFSET_BITS=64) equals struct stat.

int fstatat64(int folder, const char* path, struct stat64* into, int flags) noexcept {
  return static_cast<int>(syscall(SYS_newfstatat, folder, path, into, flags));
}

int stat64(const char* path, struct stat64* into) noexcept { return fstatat64(AT_FDCWD, path, into, 0); }

int lstat64(const char* path, struct stat64* into) noexcept {
  return fstatat64(AT_FDCWD, path, into, AT_SYMLINK_NOFOLLOW);
}

int fstat64(int fd, struct stat64* into) noexcept { return static_cast<int>(syscall(SYS_fstat, fd, into)); }

static_assert(sizeof(struct stat) == sizeof(struct stat64));

int fstatat(int folder, const char* path, struct stat* into, int flags) noexcept {
  return fstatat64(folder, path, reinterpret_cast<struct stat64*>(into), flags);
}

int stat(const char* path, struct stat* into) noexcept { return fstatat(AT_FDCWD, path, into, 0); }

int lstat(const char* path, struct stat* into) noexcept { return fstatat(AT_FDCWD, path, into, AT_SYMLINK_NOFOLLOW); }

int fstat(int fd, struct stat* into) noexcept { return fstat64(fd, reinterpret_cast<struct stat64*>(into)); }

}  // extern "C"
