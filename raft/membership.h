// Configurations as data: their bytes in the log, and their rules. Changes (joint consensus) come with a later issue.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "raft/types.h"

namespace tenaz::raft {

// A simple configuration in which all members vote. Members need distinct, non-zero ids.
Configuration founding_configuration(std::vector<Member> members);

// The bytes of a configuration entry: one version byte, then little-endian, length-prefixed fields.
std::string encode(const Configuration& configuration);
// Nothing if the bytes are not a configuration of a known version.
std::optional<Configuration> decode_configuration(std::string_view bytes);

}  // namespace tenaz::raft
