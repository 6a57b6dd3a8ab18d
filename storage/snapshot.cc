#include "storage/snapshot.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <system_error>

#include "storage/command.h"
#include "storage/rocks.h"

namespace tenaz::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kReadBytes = 1 << 20;

bool safe_name(const std::string& name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         name.find_first_of(std::string("/\0", 2)) == std::string::npos;
}

Result<std::string> read_at(const fs::path& path, std::uint64_t offset, std::size_t bytes) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return rocks::system_error("cannot open", path, errno);
  std::string out(bytes, '\0');
  std::size_t have = 0;
  ssize_t n = 1;
  while (have < bytes && n > 0) {
    n = ::pread(fd, out.data() + have, bytes - have, static_cast<off_t>(offset + have));
    if (n > 0) have += static_cast<std::size_t>(n);
  }
  const int failed = n < 0 ? errno : 0;
  ::close(fd);
  if (failed != 0) return rocks::system_error("cannot read", path, failed);
  out.resize(have);
  return out;
}

Result<ImageFile> describe(const fs::path& path, const std::stop_token& stop) {
  ImageFile file;
  file.name = path.filename().string();
  for (;;) {
    if (stop.stop_requested()) return Error{ErrorCode::invalid, "the image is not wanted any more"};
    auto piece = read_at(path, file.bytes, kReadBytes);
    if (!piece) return piece.error();
    file.crc32c = crc32c(*piece, file.crc32c);
    file.bytes += piece->size();
    if (piece->size() < kReadBytes) return file;
  }
}

Result<void> make_directory(const fs::path& path) {
  std::error_code code;
  if (fs::create_directories(path, code); code) return rocks::system_error("cannot create", path, code.value());
  return {};
}

Result<void> remove_tree(const fs::path& path) {
  std::error_code code;
  if (fs::remove_all(path, code); code) return rocks::system_error("cannot remove", path, code.value());
  return {};
}

// Sizes come from another node: their sum may exceed any number.
Result<void> check_room(const fs::path& directory, const ImageManifest& manifest, std::uint64_t reserve_bytes) {
  struct statvfs disk {};
  if (::statvfs(directory.c_str(), &disk) != 0) return rocks::system_error("cannot look at", directory, errno);
  const std::uint64_t free_bytes = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  std::uint64_t left = free_bytes;
  bool fits = reserve_bytes <= left;
  if (fits) left -= reserve_bytes;
  for (const auto& file : manifest.files) {
    fits = fits && file.bytes <= left;
    if (fits) left -= file.bytes;
  }
  if (fits) return {};
  return Error{ErrorCode::no_space, "image " + manifest.id + " does not fit: " + std::to_string(free_bytes) +
                                        " bytes are free in " + directory.string() + ", of which " +
                                        std::to_string(reserve_bytes) + " must stay free. Make room for it"};
}

}  // namespace

Result<std::shared_ptr<Image>> Image::create(StateMachine& state, const fs::path& data_dir, const std::string& id,
                                             const std::stop_token& stop) {
  if (!safe_name(id)) return Error{ErrorCode::invalid, "not a name for an image: " + id};
  if (auto made = make_directory(data_dir / "images"); !made) return made.error();
  std::shared_ptr<Image> image(new Image());
  const fs::path directory = data_dir / "images" / id;
  std::error_code code;
  if (fs::exists(directory, code))
    return Error{ErrorCode::invalid, "the image " + directory.string() + " exists already"};
  image->directory_ = directory;
  const auto position = state.checkpoint(directory);
  if (!position) return position.error();
  image->manifest_.id = id;
  image->manifest_.index = position->index;
  image->term_ = position->term;
  std::vector<fs::path> paths;
  for (fs::directory_iterator it(directory, code), end; !code && it != end; it.increment(code))
    paths.push_back(it->path());
  if (code) return rocks::system_error("cannot read", directory, code.value());
  std::sort(paths.begin(), paths.end());
  for (const auto& path : paths) {
    auto file = describe(path, stop);
    if (!file) return file.error();
    image->manifest_.files.push_back(std::move(*file));
  }
  return image;
}

Image::~Image() {
  std::error_code ignored;  // what is left behind goes at the next start
  if (!directory_.empty()) fs::remove_all(directory_, ignored);
}

Result<std::string> Image::read(const std::string& name, std::uint64_t offset, std::size_t bytes) const {
  for (const auto& file : manifest_.files) {
    if (file.name != name) continue;
    if (offset > file.bytes) return Error{ErrorCode::invalid, name + " of image " + manifest_.id + " is shorter"};
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, file.bytes - offset));
    auto piece = read_at(directory_ / name, offset, most);
    if (piece && piece->size() != most) {
      return Error{ErrorCode::corruption, (directory_ / name).string() + " has become shorter"};
    }
    return piece;
  }
  return Error{ErrorCode::invalid, "image " + manifest_.id + " has no file " + name};
}

class Receiver::Impl {
 public:
  Impl(fs::path data_dir, ImageManifest manifest) : data_dir(std::move(data_dir)), manifest(std::move(manifest)) {}
  ~Impl() {
    if (fd >= 0) ::close(fd);
    std::error_code ignored;  // what is left behind goes at the next begin()
    if (!finished) fs::remove_all(incoming(), ignored);
  }

  fs::path incoming() const { return data_dir / "incoming"; }

  // Opens the current file, emptied; closes the one before. Files of no bytes are finished at once.
  Result<void> begin_file();
  Result<void> append(std::string_view bytes);
  Result<void> finish_file();

  const fs::path data_dir;
  const ImageManifest manifest;
  std::size_t current = 0;
  std::uint64_t offset = 0;
  std::uint32_t crc = 0;
  int fd = -1;
  bool finished = false;
};

Result<void> Receiver::Impl::begin_file() {
  offset = 0;
  crc = 0;
  if (fd >= 0) ::close(fd);
  fd = -1;
  if (current == manifest.files.size()) return {};
  const fs::path path = incoming() / manifest.files[current].name;
  fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return rocks::system_error("cannot create", path, errno);
  if (manifest.files[current].bytes == 0) return finish_file();
  return {};
}

Result<void> Receiver::Impl::append(std::string_view bytes) {
  crc = crc32c(bytes, crc);
  offset += bytes.size();
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return rocks::system_error("cannot write", incoming() / manifest.files[current].name, errno);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<void> Receiver::Impl::finish_file() {
  const ImageFile& file = manifest.files[current];
  if (crc != file.crc32c) {
    if (auto again = file.bytes == 0 ? Result<void>() : begin_file(); !again) return again;
    return Error{ErrorCode::corruption, file.name + " of image " + manifest.id + " does not match its checksum"};
  }
  if (::fsync(fd) != 0) return rocks::system_error("cannot sync", incoming() / file.name, errno);
  ++current;
  return begin_file();
}

Result<std::unique_ptr<Receiver>> Receiver::begin(const fs::path& data_dir, const ImageManifest& manifest,
                                                  std::uint64_t reserve_bytes) {
  std::set<std::string> names;
  for (const auto& file : manifest.files) {
    if (!safe_name(file.name) || !names.insert(file.name).second) {
      return Error{ErrorCode::invalid, "image " + manifest.id + " has a file with an impossible name"};
    }
  }
  if (manifest.files.empty()) return Error{ErrorCode::invalid, "image " + manifest.id + " has no files"};
  auto impl = std::make_shared<Impl>(data_dir, manifest);
  if (auto removed = remove_tree(impl->incoming()); !removed) return removed.error();
  if (auto room = check_room(data_dir, manifest, reserve_bytes); !room) return room.error();
  if (auto made = make_directory(impl->incoming()); !made) return made.error();
  if (auto begun = impl->begin_file(); !begun) return begun.error();
  return std::unique_ptr<Receiver>(new Receiver(std::move(impl)));
}

std::optional<Receiver::Want> Receiver::want() const {
  if (impl_->current == impl_->manifest.files.size()) return {};
  const ImageFile& file = impl_->manifest.files[impl_->current];
  return Want{file.name, impl_->offset, file.bytes - impl_->offset};
}

Result<void> Receiver::write(const std::string& name, std::uint64_t offset, std::string_view bytes) {
  const auto wanted = want();
  if (!wanted || wanted->name != name || wanted->offset != offset || bytes.size() > wanted->bytes) {
    return Error{ErrorCode::invalid, "a piece of image " + impl_->manifest.id + " that was not asked for"};
  }
  if (auto written = impl_->append(bytes); !written) return written;
  if (bytes.size() < wanted->bytes) return {};
  return impl_->finish_file();
}

Result<std::string> Receiver::finish() {
  if (want()) return Error{ErrorCode::invalid, "image " + impl_->manifest.id + " is not complete"};
  if (auto synced = rocks::sync_directory(impl_->incoming()); !synced) return synced.error();
  std::string name;
  for (int n = 1;; ++n) {
    name = "state-" + std::to_string(impl_->manifest.index.value) + "-" + std::to_string(n);
    std::error_code code;
    if (!fs::exists(impl_->data_dir / name, code)) break;
  }
  std::error_code code;
  if (fs::rename(impl_->incoming(), impl_->data_dir / name, code); code) {
    return rocks::system_error("cannot rename", impl_->incoming(), code.value());
  }
  impl_->finished = true;
  if (auto synced = rocks::sync_directory(impl_->data_dir); !synced) return synced.error();
  return name;
}

Result<std::unique_ptr<StateMachine>> open_received(const fs::path& data_dir, const std::string& name,
                                                    const Options& options,
                                                    const std::function<bool(const StateMachine&)>& fits) {
  auto opened = StateMachine::open(data_dir / name, options);
  if (opened && fits(**opened)) return opened;
  Error error{ErrorCode::corruption, ""};
  if (opened)
    error.message = (data_dir / name).string() + " holds the state at index " +
                    std::to_string((*opened)->applied_index().value) + " of term " +
                    std::to_string((*opened)->applied_term().value) + ", which is not the one that was asked for";
  else
    error = opened.error();
  if (opened) opened->reset();
  if (auto removed = remove_tree(data_dir / name); !removed) return removed.error();
  return error;
}

Result<void> remove_leftovers(const fs::path& data_dir, const std::string& in_force) {
  for (const char* name : {"images", "incoming"}) {
    if (auto removed = remove_tree(data_dir / name); !removed) return removed;
  }
  std::vector<fs::path> leftovers;
  std::error_code code;
  for (fs::directory_iterator it(data_dir, code), end; !code && it != end; it.increment(code)) {
    const std::string name = it->path().filename().string();
    if (name.starts_with("state-") && name != in_force) leftovers.push_back(it->path());
  }
  if (code) return rocks::system_error("cannot read", data_dir, code.value());
  for (const auto& path : leftovers) {
    if (auto removed = remove_tree(path); !removed) return removed;
  }
  return {};
}

}  // namespace tenaz::storage
