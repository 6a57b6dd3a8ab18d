#include "storage/backup.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "raft/membership.h"
#include "storage/bytes.h"
#include "storage/kv/database.h"
#include "storage/rocks.h"
#include "storage/table_check.h"

namespace tenaz::storage {

namespace fs = std::filesystem;

Result<std::unique_ptr<BackupImage>> BackupImage::create(StateMachine& state, const fs::path& data_dir,
                                                         const std::string& id, const BackupOrigin& origin) {
  const fs::path images = data_dir / "images";
  std::error_code code;
  if (fs::create_directories(images, code); code) return rocks::system_error("cannot create", images, code.value());
  std::unique_ptr<BackupImage> image(new BackupImage());
  if (auto made = state.checkpoint(images / id); !made) return made.error();
  image->directory_ = images / id;
  auto standing = kv::standing_of(image->directory_, state.platform());
  if (!standing) return standing.error();
  if (auto listed = image->list_files(); !listed) return listed.error();

  backup::Header& header = image->header_;
  header.cluster_id = origin.cluster_id;
  header.cluster_name = origin.cluster_name;
  header.node_id = origin.node.value;
  header.applied_index = standing->applied.index.value;
  header.applied_term = standing->applied.term.value;
  header.term = std::max(origin.term, standing->applied.term).value;
  header.revision = standing->applied.revision;
  header.compact_revision = standing->compact_revision;
  header.made_ms = origin.wall_ms;
  header.version = origin.version;
  header.files = static_cast<std::uint32_t>(image->files_.size());
  for (const File& file : image->files_) header.file_bytes += file.bytes;
  header.configuration_index = origin.configuration_index.value;
  header.configuration = raft::encode(origin.configuration);
  if (const std::string& placed = standing->configuration; placed.size() >= 8) {
    header.configuration_index = bytes::get_le(placed.data(), 8);
    header.configuration = placed.substr(8);
  }
  image->bytes_ = backup::bytes_of_frame(header);
  for (const File& file : image->files_) image->bytes_ += backup::bytes_of_file(file.name, file.bytes);
  return image;
}

Result<void> BackupImage::list_files() {
  std::error_code code;
  for (fs::directory_iterator it(directory_, code), end; !code && it != end; it.increment(code)) {
    const std::uint64_t bytes = fs::file_size(it->path(), code);
    if (code) return rocks::system_error("cannot look at", it->path(), code.value());
    files_.push_back({it->path().filename().string(), bytes});
  }
  if (code) return rocks::system_error("cannot read", directory_, code.value());
  std::sort(files_.begin(), files_.end(), [](const File& a, const File& b) { return a.name < b.name; });
  return {};
}

BackupImage::~BackupImage() {
  if (fd_ >= 0) ::close(fd_);
  std::error_code ignored;  // what is left behind goes at the next start
  if (!directory_.empty()) fs::remove_all(directory_, ignored);
}

Result<std::string> BackupImage::next() {
  std::string out;
  if (ended_) return out;
  if (!begun_) {
    begun_ = true;
    writer_.begin(out, header_);
    return out;
  }
  if (current_ < files_.size()) {
    if (auto read = read_piece(out); !read) {
      ended_ = true;
      return read.error();
    }
    return out;
  }
  ended_ = true;
  writer_.end(out);
  return out;
}

// The current file's beginning, if it is due, and its next bytes.
Result<void> BackupImage::read_piece(std::string& out) {
  const File& file = files_[current_];
  const fs::path path = directory_ / file.name;
  if (fd_ < 0) {
    fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0) return rocks::system_error("cannot open", path, errno);
    // Better no backup than one that is found to be damaged on the day when it is needed.
    if (is_table(file.name))
      if (auto checked = check_table(path); !checked) return checked;
    offset_ = 0;
    writer_.file(out, file.name, file.bytes);
  }
  std::string piece(static_cast<std::size_t>(std::min<std::uint64_t>(backup::kMaxData, file.bytes - offset_)), '\0');
  for (std::size_t have = 0; have < piece.size();) {
    const ssize_t n = ::pread(fd_, piece.data() + have, piece.size() - have, static_cast<off_t>(offset_ + have));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return rocks::system_error("cannot read", path, errno);
    if (n == 0) return Error{ErrorCode::corruption, path.string() + " has become shorter"};
    have += static_cast<std::size_t>(n);
  }
  if (!piece.empty()) writer_.data(out, piece);
  offset_ += piece.size();
  if (offset_ == file.bytes) {
    ::close(fd_);
    fd_ = -1;
    ++current_;
  }
  return {};
}

}  // namespace tenaz::storage
