// A digest of what a reader sees, for comparing replicas: SHA-256, hexadecimal, over the live keys in order, each as
// key length u32, key, value length u32, value, create revision u64, mod revision u64, version u64, lease u64
// (little-endian).
// Threads: any.
#pragma once

#include <string>

#include "storage/kv/store.h"

namespace tenaz::storage::kv {

Result<std::string> digest(const Reader& reader);

}  // namespace tenaz::storage::kv
