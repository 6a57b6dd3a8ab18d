// <data_dir>/RESTORING: stands while a restore fills the directory, and says so to whoever finds it. Any thread.
#pragma once

#include <filesystem>

#include "storage/status.h"

namespace tenaz::storage {

class DataMarker {
 public:
  static constexpr const char* kFileName = "RESTORING";

  static bool stands(const std::filesystem::path& data_dir);
  // Both are durable when they return.
  static Result<void> set(const std::filesystem::path& data_dir);
  static Result<void> remove(const std::filesystem::path& data_dir);
};

}  // namespace tenaz::storage
