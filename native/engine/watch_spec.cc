#include "engine/watch_spec.h"

#include <algorithm>
#include <string>

#include "schema/arguments.h"

namespace vethwork {
namespace {

constexpr int usualBufferBytes = 4 << 20;
// The largest value that SO_RCVBUF can double without overflow.
constexpr std::int64_t maximumBufferBytes = 1 << 29;

const Topic* parseTopic(const Value& value, Path& path) {
  const std::string& name = string(value, path);
  const auto topic = std::ranges::find(allTopics(), name, &Topic::name);
  if (topic == allTopics().end()) {
    std::string expected;
    for (const Topic& known : allTopics()) {
      expected += (expected.empty() ? "one of '" : ", '") + std::string(known.name) + "'";
    }
    path.reject(value, expected);
  }
  return &*topic;
}

}  // namespace

WatchSpec WatchSpec::parse(const Map& options, Path& path) {
  WatchSpec spec{.netns = {}, .topics = {}, .bufferBytes = usualBufferBytes};
  {
    const auto scope = path.at("netns");
    spec.netns = NamespaceReference::parse(member(options, "netns"), path);
  }
  if (const Value* bytes = given(options, "bufferBytes")) {
    const auto scope = path.at("bufferBytes");
    spec.bufferBytes = static_cast<int>(integer(*bytes, path, 1, maximumBufferBytes));
  }
  const Value* chosen = given(options, "topics");
  if (chosen == nullptr) {
    for (const Topic& topic : allTopics()) {
      if (topic.isUsual) {
        spec.topics.push_back(&topic);
      }
    }
    return spec;
  }
  const auto scope = path.at("topics");
  const auto* list = chosen->as<List>();
  if (list == nullptr || list->empty()) {
    path.reject(*chosen, "a list of at least one topic");
  }
  for (std::size_t index = 0; index < list->size(); ++index) {
    const std::string label = listLabel(index);
    const auto position = path.at(label);
    spec.topics.push_back(parseTopic((*list)[index], path));
  }
  return spec;
}

}  // namespace vethwork
