// Every key of the configuration file, bound to its field: the one list that reading, faults and the test of the sample
// share.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/config.h"

namespace tenaz::config {

struct Id {
  std::uint64_t* value;
};
struct Count {
  std::size_t* value;
};
struct Size {
  std::uint64_t* value;  // bytes
};
struct Duration {
  std::chrono::nanoseconds* value;
};
struct Texts {
  std::vector<std::string>* value;
};
using Field = std::variant<std::string*, bool*, Id, Count, Size, Duration, Texts>;

struct Key {
  std::string_view table;
  std::string_view name;
  Field field;

  std::string path() const { return std::string(table).append(".").append(name); }
};

// In the order of the sample file. Without cluster.members.
std::vector<Key> keys_of(Config& config);

// The keys of one [[cluster.members]].
std::vector<Key> keys_of(Member& member);

// The value as a TOML file spells it.
std::string format_value(const Field& field);

}  // namespace tenaz::config
