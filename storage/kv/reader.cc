#include "storage/kv/reader.h"

#include <algorithm>

#include "storage/rocks.h"

namespace tenaz::storage::kv {
namespace {

// Beyond so many versions of one key a seek is cheaper than to step over them.
constexpr int kStepsBeforeSeek = 12;

KeyValue item_of(std::string_view key, const Version& version) {
  return {std::string(key), std::string(), Revision(version.create), Revision(version.mod), version.version};
}

// The end of all versions of the key behind `prefix`, which ends in 00 01.
std::string past(std::string_view prefix) {
  std::string end(prefix);
  end.back() = '\x02';
  return end;
}

// Walks over `data` from key to key: each stop is the newest version with mod <= revision of a key.
class Walk {
 public:
  Walk(const Database& database, const ListRequest& request, std::uint64_t revision)
      : revision_(revision), upper_key_(data_bound(request.end)), upper_(upper_key_) {
    rocksdb::ReadOptions read;
    read.total_order_seek = true;
    if (!request.end.empty()) read.iterate_upper_bound = &upper_;
    it_.reset(database.db().NewIterator(read, database.data()));
    it_->Seek(data_bound(request.start));
    settle();
  }

  bool valid() const { return it_->Valid(); }
  rocksdb::Status status() const { return it_->status(); }
  std::string_view prefix() const { return prefix_; }
  std::uint64_t mod() const { return data_revision_of(rocks::view(it_->key())); }
  std::string_view value() const { return rocks::view(it_->value()); }

  void next() {
    for (int step = 0; step < kStepsBeforeSeek; ++step) {
      it_->Next();
      if (!it_->Valid() || data_prefix_of(rocks::view(it_->key())) != prefix_) return settle();
    }
    it_->Seek(past(prefix_));
    settle();
  }

 private:
  // From any version to the first one, of this key or a later one, that the revision sees.
  void settle() {
    int steps = 0;
    for (; it_->Valid(); ++steps) {
      const std::string_view key = rocks::view(it_->key());
      if (data_prefix_of(key) != prefix_) {
        prefix_ = data_prefix_of(key);
        steps = 0;
      }
      if (data_revision_of(key) <= revision_) return;
      if (steps < kStepsBeforeSeek) {
        it_->Next();
        continue;
      }
      std::string target = prefix_;
      append_revision(target, revision_);
      it_->Seek(target);
      steps = 0;
    }
  }

  const std::uint64_t revision_;
  const std::string upper_key_;
  const rocksdb::Slice upper_;
  std::unique_ptr<rocksdb::Iterator> it_;
  std::string prefix_;
};

}  // namespace

std::unique_ptr<rocksdb::Iterator> look_up_iterator(const Database& database) {
  rocksdb::ReadOptions read;
  read.prefix_same_as_start = true;
  return std::unique_ptr<rocksdb::Iterator>(database.db().NewIterator(read, database.data()));
}

Result<Version> look_up(const Database& database, rocksdb::Iterator& it, std::string_view key, std::uint64_t revision) {
  const std::string target = data_key(key, revision);
  it.Seek(target);
  if (!it.Valid()) {
    if (!it.status().ok()) return database.error(it.status(), "cannot read the state");
    return Version{};
  }
  const std::string_view found = rocks::view(it.key());
  if (!is_data_key(found) || data_prefix_of(found) != data_prefix_of(target)) return Version{};
  const auto version = decode_data_value(data_revision_of(found), rocks::view(it.value()));
  if (!version) return database.damaged("a version record is not well-formed");
  return *version;
}

Result<void> StoreReader::check(std::uint64_t revision) const {
  const std::uint64_t compact = shared_.compact.load(std::memory_order_acquire);
  if (revision >= compact) return {};
  return Error{ErrorCode::compacted, "revision " + std::to_string(revision) +
                                         " has been compacted; the oldest one held is " + std::to_string(compact)};
}

// Both checks of the compact revision matter: after the first one history may still go while the read is under way. A
// read of the latest revision that was overtaken in this way begins again.
template <class Read>
auto StoreReader::at_revision(std::optional<Revision> at, const Read& read) const -> decltype(read(std::uint64_t{})) {
  for (;;) {
    const std::uint64_t latest = shared_.revision.load(std::memory_order_acquire);
    const std::uint64_t revision = at ? at->value : latest;
    if (revision > latest) {
      return Error{ErrorCode::future_revision, "revision " + std::to_string(revision) +
                                                   " does not exist yet; the latest is " + std::to_string(latest)};
    }
    auto checked = check(revision);
    if (checked) {
      auto result = read(revision);
      checked = check(revision);
      if (checked) return result;
    }
    if (at) return checked.error();
  }
}

Result<GetResult> StoreReader::get(std::string_view key, std::optional<Revision> at, bool with_value) const {
  return at_revision(at, [&](std::uint64_t revision) { return get_at(key, revision, with_value); });
}

Result<GetResult> StoreReader::get_at(std::string_view key, std::uint64_t revision, bool with_value) const {
  GetResult result;
  result.revision = Revision(revision);
  Version version;
  if (!shared_.cache.find(key, version) || version.mod > revision) {
    const auto it = look_up_iterator(*shared_.database);
    auto found = look_up(*shared_.database, *it, key, revision);
    if (!found) return found.error();
    version = *found;
  }
  if (!version.live) return result;
  KeyValue item = item_of(key, version);
  if (with_value) {
    rocksdb::PinnableSlice bytes;
    const auto status = shared_.database->db().Get(rocksdb::ReadOptions(), shared_.database->changes(),
                                                   change_key(version.mod, version.sub), &bytes);
    if (auto taken = take_value(status, rocks::view(bytes), version, item); !taken) return taken.error();
  }
  result.found = std::move(item);
  return result;
}

// A change names its key, so that a wrong one is noticed whatever led here.
Result<void> StoreReader::take_value(const rocksdb::Status& status, std::string_view bytes, const Version& version,
                                     KeyValue& item) const {
  if (!status.ok()) return shared_.database->error(status, "cannot read a value of the state");
  const auto change = decode_change(bytes);
  if (!change || change->marker || change->key != item.key || change->value.size() != version.value_bytes) {
    return shared_.database->damaged("a value is not that of its version");
  }
  item.value = change->value;
  return {};
}

Result<ListResult> StoreReader::list(const ListRequest& request) const {
  return at_revision(request.at, [&](std::uint64_t revision) { return list_at(request, revision); });
}

Result<ListResult> StoreReader::list_at(const ListRequest& request, std::uint64_t revision) const {
  ListResult result;
  result.revision = Revision(revision);
  const bool empty_range = !request.end.empty() && request.end <= request.start;
  if (request.limit == 0 || empty_range) return result;
  std::vector<Found> found;
  std::size_t bytes = 0;
  std::string key;
  Walk walk(*shared_.database, request, revision);
  for (; walk.valid(); walk.next()) {
    const auto version = decode_data_value(walk.mod(), walk.value());
    if (!version || !unescape(walk.prefix(), key))
      return shared_.database->damaged("a version record is not well-formed");
    if (!version->live) continue;
    bytes += key.size() + (request.keys_only ? 0 : version->value_bytes);
    if (result.items.size() == request.limit || (bytes > request.max_bytes && !result.items.empty())) {
      result.more = true;
      break;
    }
    if (!request.keys_only) found.push_back({*version, result.items.size()});
    result.items.push_back(item_of(key, *version));
  }
  if (!walk.status().ok()) return shared_.database->error(walk.status(), "cannot read the state");
  if (auto read = read_values(found, result.items); !read) return read.error();
  return result;
}

// In the order of the changes, so that neighbours on disk are read together.
Result<void> StoreReader::read_values(std::vector<Found>& found, std::vector<KeyValue>& items) const {
  constexpr std::size_t kBatch = 64;
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    return a.version.mod != b.version.mod ? a.version.mod < b.version.mod : a.version.sub < b.version.sub;
  });
  std::vector<std::string> keys(std::min(kBatch, found.size()));
  std::vector<rocksdb::Slice> slices(keys.size());
  std::vector<rocksdb::PinnableSlice> values(keys.size());
  std::vector<rocksdb::Status> statuses(keys.size());
  for (std::size_t from = 0; from < found.size(); from += kBatch) {
    const std::size_t n = std::min(kBatch, found.size() - from);
    for (std::size_t i = 0; i < n; ++i) {
      keys[i] = change_key(found[from + i].version.mod, found[from + i].version.sub);
      slices[i] = keys[i];
      values[i].Reset();
    }
    shared_.database->db().MultiGet(rocksdb::ReadOptions(), shared_.database->changes(), n, slices.data(),
                                    values.data(), statuses.data(), true);
    for (std::size_t i = 0; i < n; ++i) {
      const Found& one = found[from + i];
      auto taken = take_value(statuses[i], rocks::view(values[i]), one.version, items[one.item]);
      if (!taken) return taken;
    }
  }
  return {};
}

}  // namespace tenaz::storage::kv
