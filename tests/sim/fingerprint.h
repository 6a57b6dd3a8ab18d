// Numbers that stand for the content of what nodes say and write, so that two runs can be compared by one number. They
// depend on values alone: not on addresses, on hash tables' order, or on the machine.
#pragma once

#include <cstdint>

#include "raft/output.h"
#include "server/messages.h"

namespace tenaz::sim {

std::uint64_t fingerprint_of(const std::string& bytes);
std::uint64_t fingerprint_of(const raft::Entry& entry);
std::uint64_t fingerprint_of(const server::PeerMessage& message);
std::uint64_t fingerprint_of(const raft::Persist& write);

}  // namespace tenaz::sim
