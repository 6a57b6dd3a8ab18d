#include "storage/restore.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <system_error>

#include "backup/hash.h"
#include "raft/membership.h"
#include "storage/bytes.h"
#include "storage/data_lock.h"
#include "storage/data_marker.h"
#include "storage/kv/database.h"
#include "storage/platform.h"
#include "storage/rocks.h"
#include "storage/table_check.h"

namespace tenaz::storage {
namespace {

namespace fs = std::filesystem;

Error error_of(const backup::Fault& fault) {
  const auto code = fault.kind == backup::Fault::Kind::damaged        ? ErrorCode::corruption
                    : fault.kind == backup::Fault::Kind::newer_format ? ErrorCode::newer_format
                                                                      : ErrorCode::io;
  return {code, fault.message};
}

bool ours(const std::string& name) {
  return name == "raft" || name == "images" || name == "incoming" || name.starts_with("state-");
}

// A mount point's own directory and the lock do not count. With the marker, what an earlier restore left does not
// either.
Result<void> check_empty(const fs::path& data_dir) {
  std::error_code code;
  const bool begun = DataMarker::stands(data_dir);
  for (fs::directory_iterator it(data_dir, code), end; !code && it != end; it.increment(code)) {
    const std::string name = it->path().filename().string();
    if (name == "LOCK" || name == "lost+found" || name == DataMarker::kFileName || (begun && ours(name))) continue;
    return Error{ErrorCode::invalid, "the directory " + data_dir.string() + " is not empty (it holds " + name +
                                         "): a restore makes a new node, and replaces none. Nothing was changed"};
  }
  if (code && code != std::errc::no_such_file_or_directory)
    return rocks::system_error("cannot read", data_dir, code.value());
  return {};
}

Result<void> remove_remains(const fs::path& data_dir) {
  std::error_code code;
  std::vector<fs::path> remains;
  for (fs::directory_iterator it(data_dir, code), end; !code && it != end; it.increment(code))
    if (ours(it->path().filename().string())) remains.push_back(it->path());
  if (code) return rocks::system_error("cannot read", data_dir, code.value());
  for (const auto& path : remains)
    if (fs::remove_all(path, code); code) return rocks::system_error("cannot remove", path, code.value());
  return {};
}

Result<void> check_room(const fs::path& data_dir, std::uint64_t bytes, std::uint64_t reserve_bytes) {
  struct statvfs disk {};
  if (::statvfs(data_dir.c_str(), &disk) != 0) return rocks::system_error("cannot look at", data_dir, errno);
  const std::uint64_t free_bytes = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  if (bytes <= free_bytes && reserve_bytes <= free_bytes - bytes) return {};
  return Error{ErrorCode::no_space, "the backup holds " + std::to_string(bytes) + " bytes, of " +
                                        std::to_string(free_bytes) + " that are free in " + data_dir.string() + " " +
                                        std::to_string(reserve_bytes) + " must stay free (storage.reserve_bytes)"};
}

// Writes the files that go by, each durable before the next.
class Unpacker final : public backup::Visitor {
 public:
  explicit Unpacker(fs::path directory) : directory_(std::move(directory)) {}
  ~Unpacker() override {
    if (fd_ >= 0) ::close(fd_);
  }
  bool file(const std::string& name, std::uint64_t) override {
    if (!finish()) return false;
    path_ = directory_ / name;
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    return fd_ >= 0 || fail("cannot create");
  }
  bool data(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail("cannot write");
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  bool finish() {
    if (fd_ < 0) return true;
    const bool synced = ::fsync(fd_) == 0;
    const int number = errno;
    ::close(fd_);
    fd_ = -1;
    errno = number;
    if (!synced) return fail("cannot sync");
    // The node may have been damaged when the backup was made.
    if (!is_table(path_.filename().string())) return true;
    const auto checked = check_table(path_);
    if (!checked) error_ = Error{checked.error().code, "the backup is no good: " + checked.error().message};
    return bool(checked);
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  bool fail(const char* what) {
    error_ = rocks::system_error(what, path_, errno);
    return false;
  }
  const fs::path directory_;
  fs::path path_;
  int fd_ = -1;
  std::optional<Error> error_;
};

Result<void> unpack(const std::string& file, const backup::Summary& checked, const fs::path& directory) {
  std::error_code code;
  if (fs::create_directory(directory, code); code) return rocks::system_error("cannot create", directory, code.value());
  Unpacker unpacker(directory);
  const auto read = backup::read_file(file, unpacker);
  if (!unpacker.error()) unpacker.finish();
  if (unpacker.error()) return *unpacker.error();
  if (const auto* fault = std::get_if<backup::Fault>(&read)) return error_of(*fault);
  if (std::get<backup::Summary>(read).sha256 != checked.sha256)
    return Error{ErrorCode::corruption, file + " was changed while it was read"};
  return Platform::system().sync_directory(directory);
}

// The state as the new cluster's log begins with it.
Result<void> prepare_state(const fs::path& directory, const RestoreRequest& request, const Restored& restored,
                           const Options& options) {
  const auto found = kv::standing_of(directory, Platform::of(options));
  if (!found) return found.error();
  const backup::Header& header = restored.backup.header;
  if (found->applied.index.value != header.applied_index || found->applied.term.value != header.applied_term ||
      found->applied.revision != header.revision)
    return Error{ErrorCode::corruption, "the backup does not hold the state that it says it does"};
  kv::Standing standing;
  standing.applied = {restored.index, raft::Term(header.applied_term), restored.revision};
  standing.compact_revision = restored.revision;
  bytes::put_le(standing.configuration, restored.index.value, 8);
  standing.configuration += raft::encode(request.members);
  return kv::put_standing(directory, options, standing);
}

Result<void> fill(const std::string& file, const RestoreRequest& request, const Restored& restored,
                  const Options& options) {
  const std::string name = "state-" + std::to_string(restored.index.value) + "-0";
  const fs::path directory = request.data_dir / name;
  if (auto done = unpack(file, restored.backup, directory); !done) return done;
  if (auto done = prepare_state(directory, request, restored, options); !done) return done;
  if (auto done = Platform::system().sync_directory(request.data_dir); !done) return done;
  const raft::SnapshotMeta meta{restored.index, raft::Term(restored.backup.header.applied_term), request.members,
                                restored.index};
  return RaftLog::found_restored(request.data_dir, request.configured, restored.cluster_id, meta, restored.term, name,
                                 options);
}

}  // namespace

std::string restored_cluster_id(const std::string& configured_id, const std::string& backup_sha256,
                                std::uint64_t revision_gap) {
  std::string gap;
  bytes::put_le(gap, revision_gap, 8);
  backup::Hash hash;
  hash.update("tenaz-restored-1" + configured_id + backup_sha256 + gap);
  return hash.value().substr(0, 16);
}

Result<Restored> restore_backup(const std::string& file, const RestoreRequest& given, const Options& options) {
  RestoreRequest request = given;
  request.data_dir = resolved(given.data_dir);
  const fs::path& data_dir = request.data_dir;
  if (auto empty = check_empty(data_dir); !empty) return empty.error();
  const auto checked = backup::check_file(file);
  if (const auto* fault = std::get_if<backup::Fault>(&checked)) return error_of(*fault);
  Restored restored;
  restored.backup = std::get<backup::Summary>(checked);
  const backup::Header& header = restored.backup.header;
  if (header.revision >= kMaxRevision || request.revision_gap == 0 ||
      request.revision_gap > kMaxRevision - header.revision)
    return Error{ErrorCode::invalid, "a revision gap of " + std::to_string(request.revision_gap) +
                                         " does not work for a backup at revision " + std::to_string(header.revision) +
                                         ": it must be at least 1, and their sum at most 2^53"};
  restored.cluster_id =
      restored_cluster_id(request.configured.cluster_id, restored.backup.sha256, request.revision_gap);
  restored.term = raft::Term(header.term).next();
  restored.index = raft::Index(header.applied_index);
  restored.revision = header.revision + request.revision_gap;

  if (auto made = Platform::system().make_directories(data_dir); !made) return made.error();
  auto lock = DataLock::take(data_dir);
  if (!lock) return lock.error();
  if (auto empty = check_empty(data_dir); !empty) return empty.error();
  if (auto room = check_room(data_dir, header.file_bytes, options.reserve_bytes); !room) return room.error();
  if (auto set = DataMarker::set(data_dir); !set) return set.error();
  Result<void> done = remove_remains(data_dir);
  if (done) done = fill(file, request, restored, options);
  if (!done) {
    // As it was; if that fails too, the marker stays.
    if (remove_remains(data_dir)) static_cast<void>(DataMarker::remove(data_dir));
    return done.error();
  }
  if (auto removed = DataMarker::remove(data_dir); !removed) return removed.error();
  if (auto synced = Platform::system().sync_directory(data_dir.parent_path()); !synced) return synced.error();
  return restored;
}

}  // namespace tenaz::storage
