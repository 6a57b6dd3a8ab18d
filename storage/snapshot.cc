#include "storage/snapshot.h"

#include <algorithm>
#include <set>

#include "storage/command.h"
#include "storage/table_check.h"

namespace tenaz::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kReadBytes = 1 << 20;

bool safe_name(const std::string& name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         name.find_first_of(std::string("/\0", 2)) == std::string::npos;
}

Result<ImageFile> describe(const fs::path& path, Platform& platform, const std::stop_token& stop) {
  ImageFile file;
  file.name = path.filename().string();
  for (;;) {
    if (stop.stop_requested()) return Error{ErrorCode::invalid, "the image is not wanted any more"};
    auto piece = platform.read(path, file.bytes, kReadBytes);
    if (!piece) return piece.error();
    file.crc32c = crc32c(*piece, file.crc32c);
    file.bytes += piece->size();
    if (piece->size() < kReadBytes) return file;
  }
}

// Sizes come from another node: their sum may exceed any number. `here`: bytes of it that take their room already.
Result<void> check_room(const fs::path& directory, const ImageManifest& manifest, std::uint64_t here,
                        std::uint64_t reserve_bytes, Platform& platform) {
  const auto looked = platform.free_bytes(directory);
  if (!looked) return looked.error();
  const std::uint64_t free_bytes = *looked;
  std::uint64_t left = free_bytes + here;
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
  Platform& platform = state.platform();
  if (auto made = platform.make_directories(data_dir / "images"); !made) return made.error();
  std::shared_ptr<Image> image(new Image(platform));
  const fs::path directory = data_dir / "images" / id;
  if (platform.exists(directory))
    return Error{ErrorCode::invalid, "the image " + directory.string() + " exists already"};
  image->directory_ = directory;
  const auto position = state.checkpoint(directory);
  if (!position) return position.error();
  image->manifest_.id = id;
  image->manifest_.index = position->index;
  image->term_ = position->term;
  auto names = platform.list(directory);
  if (!names) return names.error();
  std::sort(names->begin(), names->end());
  for (const auto& name : *names) {
    auto file = describe(directory / name, platform, stop);
    if (!file) return file.error();
    image->manifest_.files.push_back(std::move(*file));
  }
  return image;
}

Image::~Image() {
  if (!directory_.empty()) (void)platform_.remove_tree(directory_);  // what is left behind goes at the next start
}

Result<std::string> Image::read(const std::string& name, std::uint64_t offset, std::size_t bytes) const {
  for (const auto& file : manifest_.files) {
    if (file.name != name) continue;
    if (offset > file.bytes) return Error{ErrorCode::invalid, name + " of image " + manifest_.id + " is shorter"};
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, file.bytes - offset));
    auto piece = platform_.read(directory_ / name, offset, most);
    if (piece && piece->size() != most) {
      return Error{ErrorCode::corruption, (directory_ / name).string() + " has become shorter"};
    }
    return piece;
  }
  return Error{ErrorCode::invalid, "image " + manifest_.id + " has no file " + name};
}

namespace {

fs::path incoming_of(const fs::path& data_dir) {
  return data_dir / "incoming";
}
fs::path note_of(const fs::path& data_dir) {
  return data_dir / "incoming.manifest";
}

// Compared as a whole, never parsed.
std::string note_text(const ImageManifest& manifest) {
  std::string text = "tenaz-incoming-1\n" + manifest.id + "\n" + std::to_string(manifest.index.value) + "\n";
  for (const auto& file : manifest.files)
    text += std::to_string(file.bytes) + " " + std::to_string(file.crc32c) + " " + file.name + "\n";
  return text;
}

// Not synced: one that is torn or lost fits no image, and it begins anew.
Result<void> write_note(const fs::path& data_dir, const ImageManifest& manifest, Platform& platform) {
  auto note = platform.open(note_of(data_dir), true);
  if (!note) return note.error();
  return (*note)->write(0, note_text(manifest));
}

bool is_noted(const fs::path& data_dir, const ImageManifest& manifest, Platform& platform) {
  if (!platform.exists(note_of(data_dir)) || !platform.exists(incoming_of(data_dir))) return false;
  const std::string expected = note_text(manifest);
  const auto text = platform.read(note_of(data_dir), 0, expected.size() + 1);
  return text && *text == expected;
}

}  // namespace

class Receiver::Impl {
 public:
  Impl(fs::path data_dir, ImageManifest manifest, Platform& platform)
      : data_dir(std::move(data_dir)), manifest(std::move(manifest)), platform(platform) {}

  fs::path incoming() const { return incoming_of(data_dir); }

  // Finds out what is here of the manifest's files, and opens the first that is not whole behind what is.
  Result<void> go_on();

  // Of a file whose bytes are all here, and are those of the manifest.
  Result<void> check_blocks(const ImageFile& wanted) const;
  // Opens the current file, emptied; closes the one before. Files of no bytes are finished at once.
  Result<void> begin_file();
  Result<void> append(std::string_view bytes);
  Result<void> finish_file();

  const fs::path data_dir;
  const ImageManifest manifest;
  Platform& platform;
  std::size_t current = 0;
  std::uint64_t offset = 0;
  std::uint32_t crc = 0;
  std::unique_ptr<File> file;  // the current one
};

// A file that is as long as it should be may still be wrong, where the power failed; a shorter one is found out when it
// is whole. One that is right may have been written by a process that was killed before it could sync it.
Result<void> Receiver::Impl::go_on() {
  for (; current < manifest.files.size(); ++current) {
    const ImageFile& wanted = manifest.files[current];
    const fs::path path = incoming() / wanted.name;
    if (!platform.exists(path)) break;
    const auto here = describe(path, platform, {});
    if (!here) return here.error();
    const bool whole = here->bytes == wanted.bytes && here->crc32c == wanted.crc32c;
    if (!whole && here->bytes >= wanted.bytes) break;
    auto opened = platform.open(path, false);
    if (!opened) return opened.error();
    if (whole) {
      if (!check_blocks(wanted)) break;
      if (auto synced = (*opened)->sync(); !synced) return synced;
      continue;
    }
    file = std::move(*opened);
    offset = here->bytes;
    crc = here->crc32c;
    return {};
  }
  return begin_file();
}

Result<void> Receiver::Impl::begin_file() {
  offset = 0;
  crc = 0;
  file.reset();
  if (current == manifest.files.size()) return {};
  auto opened = platform.open(incoming() / manifest.files[current].name, true);
  if (!opened) return opened.error();
  file = std::move(*opened);
  if (manifest.files[current].bytes == 0) return finish_file();
  return {};
}

Result<void> Receiver::Impl::append(std::string_view bytes) {
  if (auto written = file->write(offset, bytes); !written) return written;
  crc = crc32c(bytes, crc);
  offset += bytes.size();
  return {};
}

// The manifest's checksum was made from what the sender had on its disk, sound or not.
Result<void> Receiver::Impl::check_blocks(const ImageFile& wanted) const {
  if (!is_table(wanted.name)) return {};
  return check_table(incoming() / wanted.name, platform);
}

Result<void> Receiver::Impl::finish_file() {
  const ImageFile& expected = manifest.files[current];
  if (crc != expected.crc32c) {
    if (auto again = expected.bytes == 0 ? Result<void>() : begin_file(); !again) return again;
    return Error{ErrorCode::corruption, expected.name + " of image " + manifest.id + " does not match its checksum"};
  }
  if (auto checked = check_blocks(expected); !checked) {
    if (auto again = begin_file(); !again) return again;
    return checked;
  }
  if (auto synced = file->sync(); !synced) return synced;
  ++current;
  return begin_file();
}

Result<std::unique_ptr<Receiver>> Receiver::begin(const fs::path& data_dir, const ImageManifest& manifest,
                                                  std::uint64_t reserve_bytes, Platform& platform) {
  std::set<std::string> names;
  for (const auto& file : manifest.files) {
    if (!safe_name(file.name) || !names.insert(file.name).second) {
      return Error{ErrorCode::invalid, "image " + manifest.id + " has a file with an impossible name"};
    }
  }
  if (manifest.files.empty()) return Error{ErrorCode::invalid, "image " + manifest.id + " has no files"};
  auto impl = std::make_shared<Impl>(data_dir, manifest, platform);
  const bool goes_on = is_noted(data_dir, manifest, platform);
  if (goes_on) {
    if (auto found = impl->go_on(); !found) return found.error();
  } else if (auto removed = discard(data_dir, platform); !removed) {
    return removed.error();
  }
  std::unique_ptr<Receiver> self(new Receiver(impl));
  if (auto room = check_room(data_dir, manifest, self->bytes_here(), reserve_bytes, platform); !room) {
    if (auto removed = discard(data_dir, platform); !removed) return removed.error();
    return room.error();
  }
  if (goes_on) return self;
  if (auto made = platform.make_directories(impl->incoming()); !made) return made.error();
  if (auto noted = write_note(data_dir, manifest, platform); !noted) return noted.error();
  if (auto begun = impl->begin_file(); !begun) return begun.error();
  return self;
}

Result<void> Receiver::discard(const fs::path& data_dir, Platform& platform) {
  // The note first: what is left without one belongs to nothing.
  if (auto removed = platform.remove_tree(note_of(data_dir)); !removed) return removed;
  return platform.remove_tree(incoming_of(data_dir));
}

std::uint64_t Receiver::bytes_here() const {
  std::uint64_t bytes = impl_->offset;
  for (std::size_t i = 0; i < impl_->current; ++i) bytes += impl_->manifest.files[i].bytes;
  return bytes;
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
  Platform& platform = impl_->platform;
  if (auto synced = platform.sync_directory(impl_->incoming()); !synced) return synced.error();
  std::string name;
  for (int n = 1;; ++n) {
    name = "state-" + std::to_string(impl_->manifest.index.value) + "-" + std::to_string(n);
    if (!platform.exists(impl_->data_dir / name)) break;
  }
  if (auto moved = platform.rename(impl_->incoming(), impl_->data_dir / name); !moved) return moved.error();
  if (auto removed = platform.remove_tree(note_of(impl_->data_dir)); !removed) return removed.error();
  if (auto synced = platform.sync_directory(impl_->data_dir); !synced) return synced.error();
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
  if (auto removed = Platform::of(options).remove_tree(data_dir / name); !removed) return removed.error();
  return error;
}

Result<void> remove_leftovers(const fs::path& data_dir, const std::string& in_force, Platform& platform) {
  if (auto removed = platform.remove_tree(data_dir / "images"); !removed) return removed;
  if (!platform.exists(note_of(data_dir)) || !platform.exists(incoming_of(data_dir))) {
    if (auto removed = Receiver::discard(data_dir, platform); !removed) return removed;
  }
  const auto names = platform.list(data_dir);
  if (!names) return names.error();
  for (const auto& name : *names) {
    if (!name.starts_with("state-") || name == in_force) continue;
    if (auto removed = platform.remove_tree(data_dir / name); !removed) return removed;
  }
  return {};
}

}  // namespace tenaz::storage
