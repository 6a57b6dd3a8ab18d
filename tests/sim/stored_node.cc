#include "tests/sim/stored_node.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace tenaz::sim {
namespace {

using storage::Error;
using storage::ErrorCode;
using storage::Result;

const std::filesystem::path kDataDir = "/data";
constexpr const char* kClusterId = "simulatedcluster";

std::string text(const char* what, std::uint64_t model, std::uint64_t stored) {
  return std::string(what) + " is " + std::to_string(stored) + ", by the model " + std::to_string(model);
}

// How far work comes that is cut short: mostly a few steps, sometimes many.
std::uint64_t draw_steps(Random& random) {
  return random.below(random.one_of<std::uint64_t>({3, 8, 25, 80}));
}

}  // namespace

StoredNode::StoredNode(World& world, std::size_t node, storage::Options options)
    : world_(world), id_(node_id(node)), options_(options), random_(world.salted_seed(), 200 + node) {}
StoredNode::~StoredNode() = default;

Result<void> StoredNode::open(const raft::Configuration& founding) {
  life_ = std::make_unique<Life>(world_, std::exchange(tree_, {}), Random(random_.next(), 1));
  options_.platform = &life_->platform;
  if (auto opened = open_all(founding); !opened) {
    life_->log.reset();
    tree_ = std::move(life_->tree);
    life_.reset();
    return opened;
  }
  return {};
}

Result<void> StoredNode::open_all(const raft::Configuration& founding) {
  Life& life = *life_;
  auto log = storage::RaftLog::open(kDataDir, {kClusterId, id_}, founding, options_);
  if (!log) return log.error();
  life.log = std::move(*log);
  life.state_directory = life.log->state_directory();
  if (auto cleaned = storage::remove_leftovers(kDataDir, life.state_directory, life.platform); !cleaned) return cleaned;
  auto state = storage::StateMachine::open(kDataDir / life.state_directory, options_);
  if (!state) {
    Error error = state.error();
    error.message = "the state: " + error.message;
    return error;
  }
  if ((*state)->applied_index() > life.log->last_index())
    return Error{ErrorCode::corruption, "the state stands behind the end of the log"};
  life.state = std::move(*state);
  return {};
}

void StoredNode::lose_power(const std::function<void()>& at_work) {
  if (!life_) return;
  std::optional<FileTree> found;
  if (at_work) {
    life_->tree.lose_power_after(draw_steps(random_), random_);
    at_work();
    found = life_->tree.found_after_power_loss();
  }
  if (!found) found = life_->tree.after_power_loss(random_);
  // Whatever the way out still does is done to a disk that nobody will see.
  life_.reset();
  tree_ = std::move(*found);
}

void StoredNode::kill() {
  if (!life_) return;
  FileTree seen = life_->tree.as_seen();
  life_.reset();
  tree_ = std::move(seen);
}

bool StoredNode::damage(const std::string& directory, const std::vector<std::string>& endings, Random& random) {
  const auto node = tree().find_directory(directory);
  if (!node) return false;
  std::vector<FileTree::NodePtr> files;
  for (const auto& [name, file] : node->names)
    for (const auto& ending : endings)
      if (name.ends_with(ending) && !file->data.empty()) files.push_back(file);
  if (files.empty()) return false;
  FileTree::Node& file = *files[random.below(files.size())];
  FileTree::flip(file, random.below(file.data.size()));
  return true;
}

bool StoredNode::damage_log(Random& random) {
  return damage((kDataDir / "raft").native(), {".log", ".sst"}, random);
}

bool StoredNode::damage_state(Random& random) {
  return life_ && damage((kDataDir / life_->state_directory).native(), {".sst"}, random);
}

void StoredNode::lose_power_while_opening(const raft::Configuration& founding) {
  life_ = std::make_unique<Life>(world_, std::exchange(tree_, {}), Random(random_.next(), 1));
  options_.platform = &life_->platform;
  lose_power([&] { (void)open_all(founding); });
}

// --- images ----------------------------------------------------------------------------------------------------------

Result<raft::Index> StoredNode::make_image(const std::string& id) {
  auto image = storage::Image::create(*life_->state, kDataDir, id);
  if (!image) return image.error();
  const raft::Index index = (*image)->manifest().index;
  life_->images.emplace(id, std::move(*image));
  return index;
}

std::uint64_t StoredNode::image_bytes(const std::string& id) const {
  std::uint64_t bytes = 0;
  for (const auto& file : life_->images.at(id)->manifest().files) bytes += file.bytes;
  return bytes;
}

Result<void> StoredNode::begin_receiving(const StoredNode& source, const std::string& id) {
  life_->receiver.reset();
  auto receiver = storage::Receiver::begin(kDataDir, source.life_->images.at(id)->manifest(), 0, life_->platform);
  if (!receiver) return receiver.error();
  life_->receiver = std::move(*receiver);
  life_->receiving = id;
  return {};
}

Result<void> StoredNode::receive(const StoredNode& source, const std::string& id, std::uint64_t bytes) {
  const storage::Image& image = *source.life_->images.at(id);
  while (bytes > 0) {
    const auto want = life_->receiver->want();
    if (!want) return {};
    const auto piece = image.read(want->name, want->offset, static_cast<std::size_t>(std::min(bytes, want->bytes)));
    if (!piece) return piece.error();
    if (auto written = life_->receiver->write(want->name, want->offset, *piece); !written) return written;
    bytes -= piece->size();
  }
  return {};
}

Result<std::string> StoredNode::open_received(raft::Index index, raft::Term term) {
  auto directory = life_->receiver->finish();
  life_->receiver.reset();
  if (!directory) return directory;
  auto opened =
      storage::open_received(kDataDir, *directory, options_, [index, term](const storage::StateMachine& state) {
        return state.applied_index() == index && state.applied_term() == term;
      });
  if (!opened) return opened.error();
  life_->received = std::move(*opened);
  life_->received_directory = *directory;
  return directory;
}

void StoredNode::switch_state() {
  life_->state = std::move(life_->received);
  const std::string old = std::exchange(life_->state_directory, life_->received_directory);
  (void)life_->platform.remove_tree(kDataDir / old);
}

void StoredNode::remove_state() {
  const auto directory = tree_.find_directory(kDataDir.native());
  if (!directory) return;
  std::vector<std::string> states;
  for (const auto& [name, node] : directory->names)
    if (name.starts_with("state-")) states.push_back(name);
  for (const auto& name : states) tree_.remove((kDataDir / name).native());
  tree_.sync(*directory);
}

// --- comparison ------------------------------------------------------------------------------------------------------

std::string difference(const Disk& model, const storage::RaftLog& log) {
  const raft::HardState hard = log.hard_state();
  if (hard.term != model.hard_state.term) return text("the term", model.hard_state.term.value, hard.term.value);
  if (hard.vote != model.hard_state.vote) return text("the vote", model.hard_state.vote.value, hard.vote.value);
  if (hard != model.hard_state) return "the hard state is another one";
  if (log.first_index() != model.first_index())
    return text("the first index", model.first_index().value, log.first_index().value);
  if (log.last_index() != model.last_index())
    return text("the last index", model.last_index().value, log.last_index().value);
  if (log.term(model.base) != model.base_term) return "the term before the log is another one";
  if (log.configuration_index() != model.configuration_index || log.configuration() != model.configuration)
    return "the configuration at the beginning of the log is another one";
  if (model.log.empty()) return {};
  const auto entries = log.entries(model.first_index(), model.last_index(), std::numeric_limits<std::size_t>::max());
  if (entries.size() != model.log.size()) return text("the number of entries", model.log.size(), entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const raft::Entry& a = model.log[i];
    const raft::Entry& b = entries[i];
    if (a.index != b.index || a.term != b.term || a.kind != b.kind || *a.payload != *b.payload)
      return "the entry " + std::to_string(a.index.value) + " is another one";
  }
  return {};
}

void take_over(const storage::RaftLog& log, Disk& model) {
  model.hard_state = log.hard_state();
  model.base = log.first_index().previous();
  model.base_term = *log.term(model.base);
  model.configuration = log.configuration();
  model.configuration_index = log.configuration_index();
  model.log.clear();
  if (log.last_index() < log.first_index()) return;
  for (auto& entry : log.entries(log.first_index(), log.last_index(), std::numeric_limits<std::size_t>::max()))
    model.log.push_back(std::move(entry));
}

std::string difference(const KvState& model, const storage::StateMachine& state) {
  if (state.applied_index() != model.applied)
    return text("the applied index", model.applied.value, state.applied_index().value);
  if (state.applied_term() != model.term) return text("the applied term", model.term.value, state.applied_term().value);
  if (state.reader().compact_revision() != model.compact_revision)
    return text("the compact revision", model.compact_revision.value, state.reader().compact_revision().value);
  return difference(model, state, model.revision);
}

std::string difference(const KvState& model, const storage::StateMachine& state, storage::Revision revision) {
  storage::kv::ListRequest request;
  if (revision != model.revision) request.at = revision;
  request.limit = 1'000'000;
  const auto list = state.reader().list(request);
  if (!list) return "at revision " + std::to_string(revision.value) + ": " + list.error().message;
  if (list->revision != revision) return text("the revision", revision.value, list->revision.value);
  const KvState::Cells cells = revision == model.revision ? model.cells : model.at(revision);
  auto cell = cells.begin();
  for (const auto& item : list->items) {
    if (cell == cells.end() || cell->first != item.key || cell->second.value != item.value ||
        cell->second.create_revision != item.create_revision || cell->second.mod_revision != item.mod_revision ||
        cell->second.version != item.version)
      return "the key " + item.key + " at revision " + std::to_string(revision.value) + " is another one";
    ++cell;
  }
  if (cell != cells.end())
    return "the key " + cell->first + " is missing at revision " + std::to_string(revision.value);
  return {};
}

}  // namespace tenaz::sim
