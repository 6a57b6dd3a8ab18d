#include "tests/integration/harness/damage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/integration/harness/process.h"

namespace tenaz::harness {

namespace fs = std::filesystem;

std::vector<fs::path> files(const fs::path& directory, const std::function<bool(const fs::path&)>& wanted) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.is_regular_file() && entry.file_size() > 0 && wanted(entry.path())) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

bool is_wal(const fs::path& file) {
  return file.extension() == ".log";
}
bool is_table(const fs::path& file) {
  return file.extension() == ".sst";
}
bool is_manifest(const fs::path& file) {
  return file.filename().string().starts_with("MANIFEST");
}

fs::path state_directory(const fs::path& data_dir) {
  for (const auto& entry : fs::directory_iterator(data_dir)) {
    if (entry.is_directory() && entry.path().filename().string().starts_with("state-")) return entry.path();
  }
  ADD_FAILURE() << "no state directory in " << data_dir;
  return {};
}

void flip_bytes(const fs::path& file, std::size_t at, std::size_t count) {
  std::string bytes = read_file(file);
  ASSERT_GT(bytes.size(), at);
  for (std::size_t i = at; i < std::min(at + count, bytes.size()); ++i) bytes[i] = static_cast<char>(~bytes[i]);
  write_file(file, bytes);
}

}  // namespace tenaz::harness
