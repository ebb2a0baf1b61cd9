#include <arpa/inet.h>
#include <linux/icmp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>

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

IpAddress ipv4(const Map& arguments, std::string_view key, Path& path) {
  const auto scope = path.at(key);
  const Value& value = member(arguments, key);
  const IpAddress address = ip(value, path);
  if (address.family() != AF_INET) {
    path.reject(value, "an IPv4 address");
  }
  return address;
}

sockaddr_in endpoint(const Map& arguments, std::string_view addressKey, std::string_view portKey) {
  sockaddr_in end{};
  end.sin_family = AF_INET;
  if (given(arguments, addressKey) != nullptr) {
    Path path;
    std::memcpy(&end.sin_addr, ipv4(arguments, addressKey, path).bytes().data(), sizeof end.sin_addr);
  }
  if (const auto* port = member(arguments, portKey).as<std::int64_t>()) {
    end.sin_port = htons(static_cast<std::uint16_t>(*port));
  }
  return end;
}

void checkDatagram(const Map& arguments, Path& path) {
  (void)ipv4(arguments, "destination", path);
  if (given(arguments, "sourceAddress") != nullptr) {
    (void)ipv4(arguments, "sourceAddress", path);
  }
  {
    const auto scope = path.at("port");
    (void)integer(member(arguments, "port"), path, 1, 0xffff);
  }
  if (const Value* port = given(arguments, "sourcePort")) {
    const auto scope = path.at("sourcePort");
    (void)integer(*port, path, 0, 0xffff);
  }
  if (const Value* device = given(arguments, "device")) {
    const auto scope = path.at("device");
    if (string(*device, path).empty() || string(*device, path).size() > 15) {
      path.reject(*device, "the name of a device");
    }
  }
  const auto scope = path.at("payload");
  const Value& payload = member(arguments, "payload");
  if (const auto* bytes = payload.as<Bytes>(); bytes == nullptr || bytes->size() > 65507) {
    path.reject(payload, "at most 65507 bytes");
  }
}

Value sendDatagram(const Map& arguments, Worker&) {
  const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) {
    throwSystemError(errno, "socket");
  }
  const int on = 1;
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (const auto* device = member(arguments, "device").as<std::string>();
      device != nullptr && ::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, device->c_str(),
                                        static_cast<socklen_t>(device->size())) != 0) {
    throwSystemError(errno, "SO_BINDTODEVICE");
  }
  const sockaddr_in source = endpoint(arguments, "sourceAddress", "sourcePort");
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&source), sizeof source) != 0) {
    throwSystemError(errno, "bind");
  }
  const sockaddr_in destination = endpoint(arguments, "destination", "port");
  const Bytes& payload = *arguments.find("payload")->as<Bytes>();
  if (::sendto(fd.get(), payload.data(), payload.size(), MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&destination),
               sizeof destination) < 0) {
    throwSystemError(errno, "sendto");
  }
  return {};
}

void checkPing(const Map& arguments, Path& path) {
  (void)ipv4(arguments, "destination", path);
  if (const Value* timeout = given(arguments, "timeout")) {
    const auto scope = path.at("timeout");
    (void)integer(*timeout, path, 1, 60'000);
  }
}

/// Computes the Internet checksum (RFC 1071).
std::uint16_t checksum(std::span<const std::uint8_t> bytes) {
  std::uint32_t sum = 0;
  for (std::size_t index = 0; index < bytes.size(); index += 2) {
    sum += static_cast<std::uint32_t>(bytes[index] << 8 | (index + 1 < bytes.size() ? bytes[index + 1] : 0));
  }
  while (sum >> 16 != 0) {
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<std::uint16_t>(~sum);
}

Value ping(const Map& arguments, Worker& worker) {
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::duration<double, std::milli>;
  const UniqueFd fd(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMP));
  if (!fd) {
    throwSystemError(errno, "ICMP socket");
  }
  const sockaddr_in destination = endpoint(arguments, "destination", "");
  std::array<std::uint8_t, 64> request{};
  // The random identifier and payload identify the reply.
  if (::getrandom(request.data(), request.size(), 0) != static_cast<ssize_t>(request.size())) {
    throwSystemError(errno, "getrandom");
  }
  request[0] = ICMP_ECHO;
  request[1] = request[2] = request[3] = 0;
  const std::uint16_t sum = checksum(request);
  request[2] = static_cast<std::uint8_t>(sum >> 8);
  request[3] = static_cast<std::uint8_t>(sum & 0xff);

  const auto* given = member(arguments, "timeout").as<std::int64_t>();
  const auto start = Clock::now();
  const auto deadline = start + std::chrono::milliseconds(given == nullptr ? 1000 : *given);
  if (::sendto(fd.get(), request.data(), request.size(), 0, reinterpret_cast<const sockaddr*>(&destination),
               sizeof destination) < 0) {
    throwSystemError(errno, "send ICMP echo request");
  }
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) {
      return {};
    }
    std::array<pollfd, 2> waiting{
        {{.fd = fd.get(), .events = POLLIN, .revents = 0}, {.fd = worker.stopFd, .events = POLLIN, .revents = 0}}};
    if (::poll(waiting.data(), waiting.size(), static_cast<int>(left)) < 0 && errno != EINTR) {
      throwSystemError(errno, "poll");
    }
    if (waiting[1].revents != 0) {
      return {};
    }
    std::array<std::uint8_t, 2048> packet{};
    const ssize_t size = ::recv(fd.get(), packet.data(), packet.size(), 0);
    if (size <= 0) {
      continue;
    }
    // Raw sockets receive the IP header first.
    const std::size_t headerSize = static_cast<std::size_t>(packet[0] & 15) * 4;
    if (static_cast<std::size_t>(size) >= headerSize + request.size() && packet[headerSize] == ICMP_ECHOREPLY &&
        std::memcmp(packet.data() + headerSize + 4, request.data() + 4, request.size() - 4) == 0) {
      return Milliseconds(Clock::now() - start).count();
    }
  }
}

}  // namespace

OperationKinds probeOperations() {
  static const std::array<OperationKind, 2> kinds{{
      {"datagram.send",
       DirectOperation{.check = checkDatagram, .run = sendDatagram},
       {"netns", "sourceAddress", "sourcePort", "device", "destination", "port", "payload"}},
      {"icmp.echo",
       DirectOperation{.check = checkPing, .run = ping, .blocks = true},
       {"netns", "destination", "timeout"}},
  }};
  return kinds;
}

}  // namespace vethwork
