// Property: malformed bytes are rejected, and a decoded value is not larger than its bytes.
#include "value/unpack.h"

#include <cstdlib>
#include <stdexcept>

using namespace vethwork;

namespace {

std::size_t countOf(const Value& value) {
  std::size_t count = 1;
  if (const auto* list = value.as<List>()) {
    for (const Value& each : *list) {
      count += countOf(each);
    }
  } else if (const auto* map = value.as<Map>()) {
    for (const Entry& entry : map->entries()) {
      count += countOf(entry.value);
    }
  }
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    if (countOf(unpack({data, size})) > size) {
      std::abort();
    }
  } catch (const std::invalid_argument&) {
  }
  return 0;
}
