#include "rtnetlink/traffic/handle.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>

#include "schema/arguments.h"

namespace vethwork {
namespace {

std::optional<std::uint32_t> half(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  const bool fits = error == std::errc() && end == text.data() + text.size() && number <= 0xffff;
  return fits ? std::optional(number) : std::nullopt;
}

std::optional<std::uint32_t> parse(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  const auto major = half(text.substr(0, colon));
  const auto minor = colon + 1 == text.size() ? std::optional(0U) : half(text.substr(colon + 1));
  return major && minor ? std::optional(*major << 16 | *minor) : std::nullopt;
}

std::string hexadecimalNumber(std::uint32_t number) {
  std::array<char, 8> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
  return {digits.data(), end};
}

}  // namespace

std::uint32_t trafficHandle(const Value& value, const Path& path, const EnumNames& words) {
  if (const auto* text = value.as<std::string>()) {
    const auto known = std::ranges::find(words, *text, &EnumNames::value_type::first);
    if (known != words.end()) {
      return known->second;
    }
    if (const auto handle = parse(*text)) {
      return *handle;
    }
  }
  std::string expected = "hexadecimal numbers such as '1:' or '1:a'";
  for (const auto& [word, number] : words) {
    expected += ", or '" + std::string(word) + "'";
  }
  path.reject(value, expected);
}

Value formatTrafficHandle(std::uint32_t handle, const EnumNames& words) {
  const auto known = std::ranges::find(words, handle, &EnumNames::value_type::second);
  if (known != words.end()) {
    return known->first;
  }
  const std::uint32_t minor = handle & 0xffff;
  return hexadecimalNumber(handle >> 16) + ':' + (minor == 0 ? "" : hexadecimalNumber(minor));
}

std::uint32_t trafficHandle(const Map& map, std::string_view key, std::uint32_t usual, Path& path,
                            const EnumNames& words) {
  const Value* value = given(map, key);
  const auto scope = path.at(key);
  return value == nullptr ? usual : trafficHandle(*value, path, words);
}

}  // namespace vethwork
