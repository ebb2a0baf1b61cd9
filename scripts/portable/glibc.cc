// Part of each packed binary (scripts/lib/portable.mjs): symbols that the headers or libstdc++.a of the build machine use,
// and that the oldest supported glibc does not have. If the linker reports an undefined symbol, add it here or do not use
// it.
#include <fcntl.h>
#include <stdint.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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
