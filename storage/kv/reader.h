// kv::Reader over a database: see store.h. Threads: any.
#pragma once

#include "storage/kv/shared.h"
#include "storage/kv/store.h"

namespace tenaz::storage::kv {

class StoreReader final : public Reader {
 public:
  explicit StoreReader(const Shared& shared) : shared_(shared) {}

  Revision revision() const override { return Revision(shared_.revision.load(std::memory_order_acquire)); }
  Revision compact_revision() const override { return Revision(shared_.compact.load(std::memory_order_acquire)); }
  Result<GetResult> get(std::string_view key, std::optional<Revision> at, bool with_value) const override;
  Result<ListResult> list(const ListRequest& request) const override;

 private:
  // One item of a list whose value is still to be read from disk.
  struct Missing {
    Version version;
    std::size_t item = 0;
    bool latest = false;  // so that the cache may have it
  };

  Result<void> check(std::uint64_t revision) const;
  template <class Read>
  auto at_revision(std::optional<Revision> at, const Read& read) const -> decltype(read(std::uint64_t{}));
  Result<GetResult> get_at(std::string_view key, std::uint64_t revision, bool with_value) const;
  Result<ListResult> list_at(const ListRequest& request, std::uint64_t revision) const;
  Result<void> read_values(std::uint64_t epoch, std::vector<Missing>& missing, std::vector<KeyValue>& items) const;
  Result<void> take_value(const rocksdb::Status& status, std::string_view bytes, const Version& version,
                          KeyValue& item) const;

  const Shared& shared_;
};

}  // namespace tenaz::storage::kv
