#include "storage/kv/reader.h"

#include <algorithm>

#include "storage/rocks.h"

namespace tenaz::storage::kv {
namespace {

KeyValue item_of(std::string_view key, const Version& version) {
  return {std::string(key),      std::string(),   Revision(version.create),
          Revision(version.mod), version.version, version.lease};
}

// Versions that are no longer the latest. One per read: it sees at least what the read has seen in `latest`.
class History {
 public:
  explicit History(const Database& database) : database_(database) {}

  // The version in force at `revision`; mod 0: none was.
  Result<Version> look_up(std::string_view key, std::uint64_t revision) {
    if (!it_) {
      rocksdb::ReadOptions read;
      read.prefix_same_as_start = true;
      it_.reset(database_.db().NewIterator(read, database_.history()));
    }
    target_.clear();
    append_history_key(target_, key, revision);
    it_->Seek(target_);
    if (!it_->Valid()) {
      if (!it_->status().ok()) return database_.error(it_->status(), "cannot read the state");
      return Version{};
    }
    const std::string_view found = rocks::view(it_->key());
    if (!is_history_key(found) || history_prefix_of(found) != history_prefix_of(target_)) return Version{};
    const auto past = decode_past(found, rocks::view(it_->value()));
    if (!past || past->version.mod > revision) return database_.damaged("a version record is not well-formed");
    return past->end > revision ? past->version : Version{};
  }

 private:
  const Database& database_;
  std::unique_ptr<rocksdb::Iterator> it_;
  std::string target_;
};

}  // namespace

Result<Version> look_up_latest(const Database& database, std::string_view key) {
  rocksdb::PinnableSlice bytes;
  const auto status = database.db().Get(rocksdb::ReadOptions(), database.latest(), rocks::slice(key), &bytes);
  if (status.IsNotFound()) return Version{};
  if (!status.ok()) return database.error(status, "cannot read the state");
  const auto version = decode_version(rocks::view(bytes));
  if (!version) return database.damaged("a version record is not well-formed");
  return *version;
}

Result<void> StoreReader::check(std::uint64_t revision) const {
  const std::uint64_t compact = shared_.compact.load(std::memory_order_acquire);
  if (revision >= compact) return {};
  return Error{ErrorCode::compacted, "revision " + std::to_string(revision) +
                                         " has been compacted; the oldest one held is " + std::to_string(compact)};
}

// Both checks of the compact revision matter: after the first one history may still go while the read is under way, and
// then even an error that the read met may only say that. A read of the latest revision that was overtaken so begins
// again.
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
  const Database& database = *shared_.database;
  const std::uint64_t epoch = shared_.cache.epoch();
  std::string value;
  const auto hit = shared_.cache.find(key, with_value ? &value : nullptr);
  Version version;
  if (hit) {
    version = hit->version;
  } else {
    auto found = look_up_latest(database, key);
    if (!found) return found.error();
    version = *found;
  }
  const bool latest = version.mod <= revision;
  if (!latest) {
    auto found = History(database).look_up(key, revision);
    if (!found) return found.error();
    version = *found;
  }
  const bool have_value = hit && latest && hit->has_value;
  if (version.live) {
    KeyValue item = item_of(key, version);
    if (have_value) {
      item.value = std::move(value);
    } else if (with_value) {
      rocksdb::PinnableSlice bytes;
      const auto status =
          database.db().Get(rocksdb::ReadOptions(), database.changes(), change_key(version.mod, version.sub), &bytes);
      if (auto taken = take_value(status, rocks::view(bytes), version, item); !taken) return taken.error();
    }
    result.found = std::move(item);
  }
  if (latest && (!hit || (with_value && version.live && !have_value))) {
    const bool known = with_value && version.live;
    shared_.cache.offer(epoch, key, version,
                        known ? std::optional<std::string_view>(result.found->value) : std::nullopt);
  }
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
  const Database& database = *shared_.database;
  const std::uint64_t epoch = shared_.cache.epoch();
  const rocksdb::Slice upper(request.end);
  rocksdb::ReadOptions read;
  if (!request.end.empty()) read.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> it(database.db().NewIterator(read, database.latest()));
  History history(database);
  std::vector<Missing> missing;
  std::size_t bytes = 0;
  for (it->Seek(request.start); it->Valid(); it->Next()) {
    const std::string_view key = rocks::view(it->key());
    const auto stored = decode_version(rocks::view(it->value()));
    if (!stored) return database.damaged("a version record is not well-formed");
    Version version = *stored;
    const bool latest = version.mod <= revision;
    if (!latest) {
      auto found = history.look_up(key, revision);
      if (!found) return found.error();
      version = *found;
    }
    if (!version.live) continue;
    bytes += key.size() + (request.keys_only ? 0 : version.value_bytes);
    if (result.items.size() == request.limit || (bytes > request.max_bytes && !result.items.empty())) {
      result.more = true;
      break;
    }
    result.items.push_back(item_of(key, version));
    KeyValue& item = result.items.back();
    if (request.keys_only) continue;
    if (!latest || !shared_.cache.find_value(key, version.mod, item.value)) {
      missing.push_back({version, result.items.size() - 1, latest});
    }
  }
  if (!it->status().ok()) return database.error(it->status(), "cannot read the state");
  if (auto done = read_values(epoch, missing, result.items); !done) return done.error();
  return result;
}

// In the order of the changes, so that neighbours on disk are read together.
Result<void> StoreReader::read_values(std::uint64_t epoch, std::vector<Missing>& missing,
                                      std::vector<KeyValue>& items) const {
  constexpr std::size_t kBatch = 64;
  std::sort(missing.begin(), missing.end(), [](const Missing& a, const Missing& b) {
    return a.version.mod != b.version.mod ? a.version.mod < b.version.mod : a.version.sub < b.version.sub;
  });
  std::vector<std::string> keys(std::min(kBatch, missing.size()));
  std::vector<rocksdb::Slice> slices(keys.size());
  std::vector<rocksdb::PinnableSlice> values(keys.size());
  std::vector<rocksdb::Status> statuses(keys.size());
  for (std::size_t from = 0; from < missing.size(); from += kBatch) {
    const std::size_t n = std::min(kBatch, missing.size() - from);
    for (std::size_t i = 0; i < n; ++i) {
      keys[i] = change_key(missing[from + i].version.mod, missing[from + i].version.sub);
      slices[i] = keys[i];
      values[i].Reset();
    }
    shared_.database->db().MultiGet(rocksdb::ReadOptions(), shared_.database->changes(), n, slices.data(),
                                    values.data(), statuses.data(), true);
    for (std::size_t i = 0; i < n; ++i) {
      const Missing& one = missing[from + i];
      KeyValue& item = items[one.item];
      if (auto taken = take_value(statuses[i], rocks::view(values[i]), one.version, item); !taken) return taken;
      if (one.latest) shared_.cache.offer(epoch, item.key, one.version, item.value);
    }
  }
  return {};
}

}  // namespace tenaz::storage::kv
