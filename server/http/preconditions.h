// Entity tags and the preconditions of RFC 9110 section 13 that the store can keep. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace tenaz::server::http {

// What a list of entity tags says about mod revisions.
struct TagList {
  bool any = false;                 // "*"
  std::vector<std::uint64_t> raw;   // "7"
  std::vector<std::uint64_t> json;  // "7-json"
  // Weak tags, and tags that no revision has, are lawful but match nothing.
};

// Nothing if the field is not a lawful list of tags.
std::optional<TagList> parse_tags(std::string_view field);

}  // namespace tenaz::server::http
