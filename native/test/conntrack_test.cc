#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <array>
#include <string>
#include <system_error>
#include <vector>

#include "conntrack/connection.h"
#include "conntrack/count.h"
#include "conntrack/create.h"
#include "conntrack/delete.h"
#include "conntrack/filter.h"
#include "netfilter/message.h"
#include "test/fake_transport.h"

namespace vethwork {
namespace {

using test::FakeTransport;
using test::hex;
using test::unhex;

constexpr std::uint16_t reportType = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
constexpr std::uint16_t deleteType = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;
constexpr std::uint16_t getType = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;

constexpr std::uint16_t statisticsType = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET_STATS;

// UDP connection from 10.0.0.1:1000 to 192.168.15.29:53, translated to 172.16.0.37; mark 7, id 1.
const char* const header = "02000000 ";
const char* const original =
    "34000180 14000180 08000100 0a000001 08000200 c0a80f1d 1c000280 05000100 11000000 06000200 03e80000 06000300 "
    "00350000 ";
const char* const reply =
    "34000280 14000180 08000100 ac100025 08000200 0a000001 1c000280 05000100 11000000 06000200 00350000 06000300 "
    "03e80000 ";
const char* const rest = "08000300 0000002a 08000800 00000007 08000c00 00000001";

Message report(const Bytes& payload) {
  nlmsghdr head{};
  head.nlmsg_type = reportType;
  return {.header = head, .payload = payload};
}

Bytes whole() { return unhex(std::string(header) + original + reply + rest); }

/// Answers that 258 connections are tracked.
void answerCount(const Message& message, FakeTransport& to) {
  const Bytes payload = unhex("00000000 08000100 00000102 08000200 00040000");
  to.answer(message.header.nlmsg_type, 0, message, payload.data(), payload.size());
  to.acknowledge(message);
}

bool matches(std::initializer_list<Entry> filter) {
  const Bytes payload = whole();
  Path path;
  return ConnectionFilter::parse(Map(filter), path).matches(report(payload));
}

}  // namespace

TEST_CASE("a connection is read in both directions") {
  const Bytes payload = whole();
  const Value value = decodeConnection(report(payload));
  const auto* connection = value.as<Map>();
  REQUIRE(connection != nullptr);
  const auto* one = connection->find("original")->as<Map>();
  CHECK(*one->find("source")->as<std::string>() == "10.0.0.1");
  CHECK(*one->find("destination")->as<std::string>() == "192.168.15.29");
  CHECK(*one->find("protocol")->as<std::string>() == "udp");
  CHECK(*one->find("destinationPort")->as<std::int64_t>() == 53);
  CHECK(*connection->find("reply")->as<Map>()->find("source")->as<std::string>() == "172.16.0.37");
  CHECK(*connection->find("mark")->as<std::int64_t>() == 7);
  CHECK(connection->find("status")->as<List>()->size() == 3);
}

TEST_CASE("an address matches at either end of either direction") {
  CHECK(matches({{"address", "10.0.0.1"}}));
  CHECK(matches({{"address", "192.168.15.29"}}));
  CHECK(matches({{"address", "172.16.0.37"}}));
  CHECK_FALSE(matches({{"address", "172.16.0.38"}}));
  CHECK_FALSE(matches({{"address", "::ffff:10.0.0.1"}}));
  CHECK(matches({{"mark", 7}}));
  CHECK_FALSE(matches({{"mark", 8}}));
  CHECK_FALSE(matches({{"address", "10.0.0.1"}, {"mark", 8}}));
}

TEST_CASE("an empty filter is rejected, because it would delete all connections") {
  Path path;
  CHECK_THROWS_AS((void)ConnectionFilter::parse(Map{}, path), ValidationError);
  CHECK_THROWS_AS((void)ConnectionFilter::parse(Map{{"address", Value()}}, path), ValidationError);
  CHECK_THROWS_AS((void)ConnectionFilter::parse(Map{{"adress", "10.0.0.1"}}, path), ValidationError);
  CHECK_THROWS_AS((void)ConnectionFilter::parse(Value(), path), ValidationError);
}

TEST_CASE("a deletion identifies the connection") {
  const Bytes payload = whole();
  Batch batch;
  REQUIRE(encodeDelete(report(payload), batch));
  const auto message = test::messages((batch.seal(1), batch)).front();
  CHECK(message.header.nlmsg_type == deleteType);
  CHECK(hex(message.payload) + ' ' == std::string(header) + original + "08000c00 00000001 ");
}

TEST_CASE("a report without a tuple causes no deletion, which would delete all connections") {
  Batch batch;
  for (const std::string& payload : {std::string(header) + reply + rest, std::string(header) + "04000180",
                                     std::string(), std::string(header) + "34000180 14000180"}) {
    const Bytes bytes = unhex(payload);
    CHECK_FALSE(encodeDelete(report(bytes), batch));
  }
  CHECK(batch.size() == 0);
}

TEST_CASE("deletions are sent in batches of bounded size; a connection that has ended is no error") {
  FakeTransport kernel;
  std::size_t deletions = 0;
  kernel.onMessage = [&](const Message& message, FakeTransport& to) {
    if (message.header.nlmsg_type == getType) {
      const Bytes payload = whole();
      for (int count = 0; count < 600; ++count) {
        to.answer(reportType, NLM_F_MULTI, message, payload.data(), payload.size());
      }
      const int done = 0;
      to.answer(NLMSG_DONE, NLM_F_MULTI, message, &done, sizeof done);
      return;
    }
    if (message.header.nlmsg_type == statisticsType) {
      answerCount(message, to);
      return;
    }
    REQUIRE(message.header.nlmsg_type == deleteType);
    ++deletions;
    if (deletions % 7 == 0) {
      to.acknowledge(message, ENOENT);
    } else if ((message.header.nlmsg_flags & NLM_F_ACK) != 0) {
      to.acknowledge(message);
    }
  };
  Exchange exchange(kernel);
  Path path;
  deleteConnections(std::array{ConnectionFilter::parse(Map{{"mark", 7}}, path)}, exchange);
  CHECK(deletions == 600);
  CHECK(kernel.sent.size() == 5);
}

TEST_CASE("other failures of a deletion are reported") {
  FakeTransport kernel;
  kernel.onMessage = [&](const Message& message, FakeTransport& to) {
    if (message.header.nlmsg_type == getType) {
      const Bytes payload = whole();
      to.answer(reportType, NLM_F_MULTI, message, payload.data(), payload.size());
      const int done = 0;
      to.answer(NLMSG_DONE, NLM_F_MULTI, message, &done, sizeof done);
    } else if (message.header.nlmsg_type == statisticsType) {
      answerCount(message, to);
    } else {
      to.acknowledge(message, EPERM);
    }
  };
  Exchange exchange(kernel);
  Path path;
  for (const Map& filter : {Map{{"mark", 7}}, Map{{"address", "10.0.0.1"}}}) {
    const std::array filters{ConnectionFilter::parse(filter, path)};
    CHECK_THROWS_AS(deleteConnections(filters, exchange), std::system_error);
  }
}

TEST_CASE("the kernel selects the connections of an address, at each end of each direction") {
  FakeTransport kernel;
  std::vector<std::string> sent;
  kernel.onMessage = [&](const Message& message, FakeTransport& to) {
    REQUIRE(message.header.nlmsg_type == deleteType);
    sent.push_back(hex(message.payload));
    if ((message.header.nlmsg_flags & NLM_F_ACK) != 0) {
      to.acknowledge(message);
    }
  };
  Exchange exchange(kernel);
  Path path;
  const auto forget = [&](const Map& filter) {
    sent.clear();
    deleteConnections(std::array{ConnectionFilter::parse(filter, path)}, exchange);
    return sent;
  };
  const std::string source = std::string(header) + "10000180 0c000180 08000100 0a000001 0c001980 08000100 01000000";
  const std::string destination =
      std::string(header) + "10000180 0c000180 08000200 0a000001 0c001980 08000100 02000000";
  const std::string answerSource =
      std::string(header) + "10000280 0c000180 08000100 0a000001 0c001980 08000200 01000000";
  const std::string answerDestination =
      std::string(header) + "10000280 0c000180 08000200 0a000001 0c001980 08000200 02000000";
  CHECK(forget({{"address", "10.0.0.1"}}) == std::vector{source, destination, answerSource, answerDestination});
  CHECK(forget({{"source", "10.0.0.1"}}) == std::vector{source, answerSource});
  CHECK(forget({{"address", "10.0.0.1"}, {"direction", "reply"}}) == std::vector{answerSource, answerDestination});
  CHECK(forget({{"destination", "10.0.0.1"}, {"direction", "original"}}) == std::vector{destination});
}

TEST_CASE("a kernel that cannot select connections lists them; many addresses share one list") {
  for (const int error : {EINVAL, EOPNOTSUPP, 0}) {
    FakeTransport kernel;
    std::size_t lists = 0;
    std::size_t deletions = 0;
    kernel.onMessage = [&](const Message& message, FakeTransport& to) {
      if (message.header.nlmsg_type == statisticsType) {
        answerCount(message, to);
      } else if (message.header.nlmsg_type == getType) {
        ++lists;
        const Bytes payload = whole();
        to.answer(reportType, NLM_F_MULTI, message, payload.data(), payload.size());
        const int done = 0;
        to.answer(NLMSG_DONE, NLM_F_MULTI, message, &done, sizeof done);
      } else if (lists == 0) {
        to.acknowledge(message, error);
      } else {
        ++deletions;
        to.acknowledge(message);
      }
    };
    Exchange exchange(kernel);
    Path path;
    std::vector<ConnectionFilter> filters{ConnectionFilter::parse(Map{{"address", "10.0.0.1"}}, path)};
    // Without an error, the number of filters is the reason for the list.
    for (int other = 2; error == 0 && other < 100; ++other) {
      filters.push_back(ConnectionFilter::parse(Map{{"address", "10.0.0." + std::to_string(other)}}, path));
    }
    deleteConnections(filters, exchange);
    CHECK(lists == 1);
    CHECK(deletions == 1);
  }
}

TEST_CASE("connections are counted without being listed") {
  FakeTransport kernel;
  kernel.onMessage = [&](const Message& message, FakeTransport& to) {
    CHECK(message.header.nlmsg_type == statisticsType);
    answerCount(message, to);
  };
  Exchange exchange(kernel);
  CHECK(countConnections(exchange) == 258);
  CHECK(kernel.sent.size() == 1);
}

TEST_CASE("a failure to count connections is not reported as 0") {
  FakeTransport kernel;
  int error = EPERM;
  kernel.onMessage = [&](const Message& message, FakeTransport& to) { to.acknowledge(message, error); };
  Exchange exchange(kernel);
  CHECK_THROWS_AS((void)countConnections(exchange), std::system_error);
  error = 0;
  CHECK_THROWS_AS((void)countConnections(exchange), std::system_error);
}

namespace {

Value listedWithTimeout(const Bytes& payload) {
  Value value = decodeConnection(report(payload));
  value.as<Map>()->set("timeout", 42);
  return value;
}

}  // namespace

TEST_CASE("a listed connection is written with its translation at both ends") {
  const Bytes payload = whole();
  Path path;
  const NewConnection connection = NewConnection::parse(listedWithTimeout(payload), path);
  Batch batch;
  connection.encode(batch);
  batch.seal(1);
  const auto message = test::messages(batch).front();
  CHECK(message.header.nlmsg_type == reportType);
  CHECK((message.header.nlmsg_flags & (NLM_F_CREATE | NLM_F_EXCL)) == (NLM_F_CREATE | NLM_F_EXCL));
  const Span attributes = message.attributes<nfgenmsg>();
  const auto hexOf = [&](std::uint16_t attribute) {
    return hex(findAttribute(attributes, attribute).value_or(Span()));
  };
  // The reply is that of a connection without translation.
  CHECK(hexOf(CTA_TUPLE_REPLY).find("c0a80f1d") != std::string::npos);
  CHECK(hexOf(CTA_TUPLE_REPLY).find("ac100025") == std::string::npos);
  CHECK(hexOf(CTA_NAT_DST) == "08000100 ac100025 08000200 ac100025 14000380 06000100 00350000 06000200 00350000");
  CHECK(hexOf(CTA_NAT_SRC) == "08000100 0a000001 08000200 0a000001 14000380 06000100 03e80000 06000200 03e80000");
  CHECK(hexOf(CTA_MARK) == "00000007");
  CHECK(hexOf(CTA_TIMEOUT) == "0000002a");
}

TEST_CASE("a connection is removed by both of its tuples, never without one") {
  const Bytes payload = whole();
  Path path;
  const NewConnection connection = NewConnection::parse(listedWithTimeout(payload), path);
  Batch batch;
  connection.encodeRemoval(batch);
  batch.seal(1);
  const auto removals = test::messages(batch);
  REQUIRE(removals.size() == 2);
  for (const auto& removal : removals) {
    CHECK(removal.header.nlmsg_type == deleteType);
    CHECK(removal.payload.size() > 40);
  }
}

}  // namespace vethwork
