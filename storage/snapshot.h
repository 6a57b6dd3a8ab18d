// Images of the whole state: made by the sender's checkpoint, moved file by file in checksummed pieces that the
// receiver asks for, and put in force by RaftLog::reset(). Threads: each object on one thread at a time.
//
// Layout below the data directory:   images/<id>/        a checkpoint that is being sent (removed when nobody uses it)
//                                    incoming/           an image that is being received
//                                    state-<index>-<n>/  state directories; RaftLog says which one is in force
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "raft/types.h"
#include "storage/platform.h"
#include "storage/state_machine.h"
#include "storage/status.h"

namespace tenaz::storage {

struct ImageFile {
  std::string name;  // no path separators
  std::uint64_t bytes = 0;
  std::uint32_t crc32c = 0;  // of the whole file
};

// What the receiver needs to know before it asks for bytes.
struct ImageManifest {
  std::string id;
  raft::Index index;
  std::vector<ImageFile> files;
};

// The sender's side.
class Image {
 public:
  // Makes images/<id> from the state machine. `id` is a fresh name of letters, digits and '-'. Reads the whole state
  // once, for the checksums: `stop` ends that early, with an error.
  static Result<std::shared_ptr<Image>> create(StateMachine& state, const std::filesystem::path& data_dir,
                                               const std::string& id, const std::stop_token& stop = {});
  ~Image();  // removes the directory

  const ImageManifest& manifest() const { return manifest_; }
  raft::Term term() const { return term_; }  // of the entry at manifest().index
  // Up to `bytes` bytes of a file from `offset`.
  Result<std::string> read(const std::string& name, std::uint64_t offset, std::size_t bytes) const;

 private:
  explicit Image(Platform& platform) : platform_(platform) {}
  Platform& platform_;
  std::filesystem::path directory_;
  ImageManifest manifest_;
  raft::Term term_;
};

// The receiver's side: collects a manifest's files in incoming/, in order. What is not finished outlives the object,
// and the process: incoming.manifest says what it belongs to.
class Receiver {
 public:
  // Goes on where an earlier attempt at the very same image ended, else begins anew and removes what that left.
  // no_space: the image would leave less than `reserve_bytes` free. Better refused than to run into the end of the
  // disk, which the log needs too.
  static Result<std::unique_ptr<Receiver>> begin(const std::filesystem::path& data_dir, const ImageManifest& manifest,
                                                 std::uint64_t reserve_bytes = 0,
                                                 Platform& platform = Platform::system());

  // What an earlier attempt left, if nobody goes on with it.
  static Result<void> discard(const std::filesystem::path& data_dir, Platform& platform = Platform::system());

  // What is missing next; nothing when all is there.
  struct Want {
    std::string name;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;  // to the end of the file
  };
  std::optional<Want> want() const;
  // Of the image's bytes, so many are here.
  std::uint64_t bytes_here() const;
  // The next piece. corruption: a whole file is wrong, or came from a damaged table of the sender (it begins again).
  Result<void> write(const std::string& name, std::uint64_t offset, std::string_view bytes);
  // All files are there: syncs them and moves them to a new state directory, whose name it returns (give it to
  // RaftLog::reset). The directory opens as a StateMachine at manifest.index.
  Result<std::string> finish();

 private:
  class Impl;
  explicit Receiver(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

// Opens a state directory that Receiver::finish() has made. One that does not open, or is not what was wanted
// (`fits`), is removed.
Result<std::unique_ptr<StateMachine>> open_received(const std::filesystem::path& data_dir, const std::string& name,
                                                    const Options& options,
                                                    const std::function<bool(const StateMachine&)>& fits);

// Removes what a crash may have left: state directories other than `in_force`, images/, and incoming/ if it is not
// known what it belongs to. At start.
Result<void> remove_leftovers(const std::filesystem::path& data_dir, const std::string& in_force,
                              Platform& platform = Platform::system());

}  // namespace tenaz::storage
