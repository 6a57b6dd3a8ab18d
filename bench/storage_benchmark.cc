// What single parts of storage cost, without network or consensus: the group-committed Raft log, apply, reads.
//   build/release/bin/tenaz-storage-benchmark [--benchmark_filter=Apply]
// Data goes below $TMPDIR (default /tmp): point it at the disk to be measured.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <stdexcept>

#include "raft/membership.h"
#include "storage/command.h"
#include "storage/raft_log.h"
#include "storage/state_machine.h"

namespace tenaz::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kValueBytes = 256;
constexpr std::uint64_t kKeys = 100'000;
const raft::NodeId kSelf{1};

class Directory {
 public:
  Directory() : path_(fs::temp_directory_path() / ("tenaz-benchmark-" + std::to_string(::getpid()))) {
    fs::remove_all(path_);
  }
  ~Directory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

std::string random_value(std::mt19937_64& random) {
  std::string value(kValueBytes, '\0');
  for (char& c : value) c = static_cast<char>(random());
  return value;
}

std::string key_of(std::uint64_t number) {
  const std::string digits = std::to_string(number);
  return "bench/" + std::string(8 - digits.size(), '0') + digits;
}

// One entry of `puts` commands.
raft::Payload payload_of(const std::vector<std::uint64_t>& keys, std::mt19937_64& random) {
  PayloadBuilder builder;
  for (const std::uint64_t key : keys) {
    pb::Command command;
    command.set_apply_version(kApplyVersion);
    command.mutable_origin()->set_node(kSelf.value);
    command.mutable_origin()->set_boot(7);
    command.mutable_origin()->set_sequence(1);
    command.mutable_put()->set_key(key_of(key));
    command.mutable_put()->set_value(random_value(random));
    builder.add(command.SerializeAsString());
  }
  return builder.finish(0);
}

// Entries of one 256-byte put each, `range(0)` of them in every synced batch; compacted as a node would.
void RaftLogWrite(benchmark::State& state) {
  const auto batch = static_cast<std::uint64_t>(state.range(0));
  const Directory directory;
  const Options options;
  const auto members = raft::founding_configuration({raft::Member{kSelf, "n", "a:1", "a:2", ""}});
  const auto log = must(RaftLog::open(directory.path(), {"0123456789abcdef", kSelf}, members, options));
  std::mt19937_64 random(1);
  const raft::Payload payload = payload_of({1}, random);
  raft::Index last;
  raft::WriteId id;
  for (auto _ : state) {
    raft::Persist write;
    write.id = id = id.next();
    for (std::uint64_t i = 0; i < batch; ++i) {
      last = last.next();
      write.entries.push_back({raft::Term{1}, last, raft::EntryKind::commands, payload});
    }
    if (const auto done = log->write({&write, 1}); !done) throw std::runtime_error(done.error().message);
    if (log->bytes() > 2 * options.log_retain_bytes) {
      const auto target = log->compaction_target(last, options.log_retain_bytes);
      if (const auto done = log->compact(target, members, {}); !done) throw std::runtime_error(done.error().message);
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(RaftLogWrite)->Arg(1)->Arg(8)->Arg(64)->Arg(512)->UseRealTime()->Unit(benchmark::kMicrosecond);

// A state of 100,000 keys, each written once.
std::unique_ptr<StateMachine> filled(const fs::path& directory, std::mt19937_64& random) {
  auto state = must(StateMachine::open(directory, Options()));
  for (std::uint64_t first = 0; first < kKeys; first += 100) {
    std::vector<std::uint64_t> keys;
    for (std::uint64_t i = 0; i < 100; ++i) keys.push_back(first + i);
    const raft::Entry entry{raft::Term{1}, state->applied_index().next(), raft::EntryKind::commands,
                            payload_of(keys, random)};
    must(state->apply({&entry, 1}, kSelf));
  }
  return state;
}

// Puts over random keys that exist, `range(0)` in every entry. Flushes and compactions run beside it, as they would.
void Apply(benchmark::State& state) {
  const Directory directory;
  std::mt19937_64 random(1);
  const auto machine = filled(directory.path(), random);
  std::vector<raft::Payload> payloads;
  for (int i = 0; i < 64; ++i) {
    std::vector<std::uint64_t> keys(static_cast<std::size_t>(state.range(0)));
    for (auto& key : keys) key = random() % kKeys;
    payloads.push_back(payload_of(keys, random));
  }
  std::size_t next = 0;
  for (auto _ : state) {
    const raft::Entry entry{raft::Term{1}, machine->applied_index().next(), raft::EntryKind::commands,
                            payloads[next++ % payloads.size()]};
    benchmark::DoNotOptimize(must(machine->apply({&entry, 1}, kSelf)));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Apply)->Arg(1)->Arg(50)->Arg(500)->Unit(benchmark::kMicrosecond);

void GetLatest(benchmark::State& state) {
  const Directory directory;
  std::mt19937_64 random(1);
  const auto machine = filled(directory.path(), random);
  for (auto _ : state) benchmark::DoNotOptimize(must(machine->reader().get(key_of(random() % kKeys), {})));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(GetLatest);

void ListThousand(benchmark::State& state) {
  const Directory directory;
  std::mt19937_64 random(1);
  const auto machine = filled(directory.path(), random);
  kv::ListRequest request;
  request.limit = 1000;
  for (auto _ : state) {
    request.start = key_of(random() % (kKeys - 1000));
    benchmark::DoNotOptimize(must(machine->reader().list(request)));
  }
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(ListThousand)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace tenaz::storage

BENCHMARK_MAIN();
