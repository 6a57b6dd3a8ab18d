#include "storage/table_check.h"

#include <rocksdb/options.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/table.h>

#include <string>

#include "storage/rocks.h"

namespace tenaz::storage {

bool is_table(std::string_view name) {
  return name.ends_with(".sst");
}

Result<void> check_table(const std::filesystem::path& path, Platform& platform) {
  rocksdb::Options options;
  options.env = platform.env();
  rocksdb::BlockBasedTableOptions table;
  table.no_block_cache = true;  // nothing is read twice
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  rocksdb::ReadOptions read;
  read.readahead_size = 1 << 20;
  rocksdb::SstFileReader reader(options);
  auto status = reader.Open(path.string());
  if (status.ok()) status = reader.VerifyChecksum(read);
  if (status.ok()) return {};
  return rocks::error(
      status, "the table " + path.string() + " is damaged",
      "Whoever it comes from had it so on its disk, and must get its state anew from another node: stop "
      "that node, move its state directory out of its data directory and start it again.");
}

}  // namespace tenaz::storage
