// Finding and damaging the files of a node that does not run.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <vector>

namespace tenaz::harness {

// Those with something in them, in the order of their names.
std::vector<std::filesystem::path> files(const std::filesystem::path& directory,
                                         const std::function<bool(const std::filesystem::path&)>& wanted);

bool is_wal(const std::filesystem::path& file);
bool is_table(const std::filesystem::path& file);
bool is_manifest(const std::filesystem::path& file);

// The directory of the state in force. A test failure if there is none.
std::filesystem::path state_directory(const std::filesystem::path& data_dir);

// Every bit of `count` bytes at `at`.
void flip_bytes(const std::filesystem::path& file, std::size_t at, std::size_t count = 16);

}  // namespace tenaz::harness
