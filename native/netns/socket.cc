#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "file/system_error.h"
#include "netns/operations.h"
#include "schema/address.h"
#include "schema/arguments.h"

namespace vethwork {
namespace {

using Clock = std::chrono::steady_clock;

const EnumNames socketKinds{{"tcp", SOCK_STREAM}, {"udp", SOCK_DGRAM}};

void checkPort(const Map& arguments, std::int64_t minimum, Path& path) {
  const auto scope = path.at("port");
  (void)integer(member(arguments, "port"), path, minimum, 0xffff);
}

void checkAddress(const Map& arguments, Path& path) {
  const auto scope = path.at("address");
  (void)ip(member(arguments, "address"), path);
}

void checkConnect(const Map& arguments, Path& path) {
  checkAddress(arguments, path);
  checkPort(arguments, 1, path);
  const auto scope = path.at("timeout");
  if (const Value* timeout = given(arguments, "timeout")) {
    (void)integer(*timeout, path, 1, 600'000);
  }
}

void checkBind(const Map& arguments, Path& path) {
  checkAddress(arguments, path);
  checkPort(arguments, 0, path);
  {
    const auto scope = path.at("kind");
    (void)word(string(member(arguments, "kind"), path), path, socketKinds);
  }
  const auto scope = path.at("backlog");
  if (const Value* backlog = given(arguments, "backlog")) {
    (void)integer(*backlog, path, 1, 0xffff);
  }
}

/// A socket address of either family.
struct SocketEndpoint {
  sockaddr_storage storage{};
  socklen_t size = 0;

  explicit SocketEndpoint(const Map& arguments) {
    const IpAddress address = ip(*arguments.find("address"), Path());
    const auto port = htons(static_cast<std::uint16_t>(*arguments.find("port")->as<std::int64_t>()));
    if (address.family() == AF_INET) {
      sockaddr_in four{};
      four.sin_family = AF_INET;
      four.sin_port = port;
      std::ranges::copy(address.bytes(), reinterpret_cast<std::uint8_t*>(&four.sin_addr));
      store(four);
    } else {
      sockaddr_in6 six{};
      six.sin6_family = AF_INET6;
      six.sin6_port = port;
      std::ranges::copy(address.bytes(), six.sin6_addr.s6_addr);
      store(six);
    }
  }

  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }

 private:
  void store(const auto& specific) {
    std::memcpy(&storage, &specific, sizeof specific);
    size = sizeof specific;
  }
};

UniqueFd open(const SocketEndpoint& endpoint, int kind) {
  UniqueFd fd(::socket(endpoint.storage.ss_family, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) {
    throwSystemError(errno, "socket");
  }
  return fd;
}

Value connect(const Map& arguments, Worker& worker) {
  constexpr std::int64_t defaultTimeout = 10'000;
  const SocketEndpoint endpoint(arguments);
  UniqueFd fd = open(endpoint, SOCK_STREAM);
  if (::connect(fd.get(), endpoint.get(), endpoint.size) == 0) {
    return fd.release();
  }
  if (errno != EINPROGRESS) {
    throwSystemError(errno, "connect");
  }
  const auto* limit = member(arguments, "timeout").as<std::int64_t>();
  const auto deadline = Clock::now() + std::chrono::milliseconds(limit == nullptr ? defaultTimeout : *limit);
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) {
      throwSystemError(ETIMEDOUT, "connect");
    }
    std::array<pollfd, 2> waiting{
        {{.fd = fd.get(), .events = POLLOUT, .revents = 0}, {.fd = worker.stopFd, .events = POLLIN, .revents = 0}}};
    (void)::poll(waiting.data(), waiting.size(), static_cast<int>(left));
    if (waiting[1].revents != 0) {
      throwSystemError(ECANCELED, "connect");
    }
    if (waiting[0].revents != 0) {
      int error = 0;
      socklen_t size = sizeof error;
      if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
        throwSystemError(error != 0 ? error : errno, "connect");
      }
      return fd.release();
    }
  }
}

/// Binds a socket. TCP sockets also listen.
Value bind(const Map& arguments, Worker&) {
  constexpr std::int64_t defaultBacklog = 511;
  const SocketEndpoint endpoint(arguments);
  const int kind = static_cast<int>(word(*arguments.find("kind"), Path(), socketKinds));
  UniqueFd fd = open(endpoint, kind);
  if (kind == SOCK_STREAM) {
    const int on = 1;
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  }
  if (::bind(fd.get(), endpoint.get(), endpoint.size) != 0) {
    throwSystemError(errno, "bind");
  }
  const auto* backlog = member(arguments, "backlog").as<std::int64_t>();
  if (kind == SOCK_STREAM &&
      ::listen(fd.get(), static_cast<int>(backlog == nullptr ? defaultBacklog : *backlog)) != 0) {
    throwSystemError(errno, "listen");
  }
  return fd.release();
}

}  // namespace

OperationKinds socketOperations() {
  static const std::array<OperationKind, 2> operations{{
      {"socket.connect",
       DirectOperation{.check = checkConnect, .run = connect, .blocks = true},
       {"netns", "address", "port", "timeout"}},
      {"socket.bind",
       DirectOperation{.check = checkBind, .run = bind},
       {"netns", "kind", "address", "port", "backlog"}},
  }};
  return operations;
}

}  // namespace vethwork
