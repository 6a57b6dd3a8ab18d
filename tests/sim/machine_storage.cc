// The real-storage tier: the node's data directory is on a file tree, under the production storage code, and the model
// beside it says what may be found there. They are compared at every start and after every step of the applier.
#include "tests/sim/machine.h"

namespace tenaz::sim {

// A start that is cut short by a power loss is followed by another one at once.
bool Machine::open_stored() {
  if (random_.chance(100)) {
    world_.note(node_name(node_) + " loses power while it starts");
    stored_->lose_power_while_opening(disk_.configuration);
  }
  auto opened = stored_->open(disk_.configuration);
  if (!opened && state_damaged_ && opened.error().message.starts_with("the state: ")) {
    // As whoever runs it would: the directory is moved away.
    world_.note(node_name(node_) + " does not start: " + opened.error().message);
    stored_->remove_state();
    state_damaged_ = false;
    for (Disk& disk : may_be_found_) {
      disk.state = {};
      disk.later.clear();
    }
    opened = stored_->open(disk_.configuration);
  }
  if (!opened) {
    if (log_damaged_ && opened.error().code == storage::ErrorCode::corruption)
      world_.note(node_name(node_) + " does not start: " + opened.error().message);
    else
      world_.fail(node_name(node_) + " does not start: " + opened.error().message);
    return false;
  }
  return match_stored();
}

// Takes over what was found, if it is one of the things that the model allows.
bool Machine::match_stored() {
  std::string differs;
  for (Disk& disk : may_be_found_) {
    std::string why = difference(disk, stored_->log());
    const raft::Index applied = stored_->state().applied_index();
    if (why.empty() && applied != disk.state.applied) {
      const auto found = disk.later.find(applied);
      if (found == disk.later.end())
        why = "the state stands at " + std::to_string(applied.value) + ", and was durable at " +
              std::to_string(disk.state.applied.value);
      else
        disk.state = found->second;
    }
    if (why.empty()) why = difference(disk.state, stored_->state());
    if (why.empty() || (state_damaged_ && why.starts_with("at revision"))) {
      disk_ = std::move(disk);
      disk_.later.clear();
      may_be_found_ = {disk_};
      return true;
    }
    differs += (differs.empty() ? "" : "; or ") + why;
  }
  world_.fail(node_name(node_) + ": what is found is not what may be left: " + differs);
  return false;
}

void Machine::lose_power() {
  if (!stored_->is_open()) return;
  may_be_found_ = process_ ? process_->log.may_be_found() : std::vector<Disk>{disk_};
  disk_ = may_be_found_.front();
  if (!process_) return stored_->lose_power();
  ModelLog& log = process_->log;
  const std::uint64_t what = random_.below(4);
  if (what == 0 && log.job_at_hand()) return stored_->lose_power([&log] { log.do_job_at_hand(); });
  if (what == 1) return stored_->lose_power([this] { (void)stored_->state().flush(); });
  stored_->lose_power();
}

Disk Machine::copy_of_disk() const {
  Disk copy = disk_;
  if (stored_) copy.files = std::make_shared<FileTree>(stored_->tree().durable());
  copy.state_damaged = state_damaged_;
  return copy;
}

void Machine::put_back(Disk copy) {
  if (stored_) stored_->put_back(std::move(*copy.files));
  copy.files.reset();
  state_damaged_ = std::exchange(copy.state_damaged, false);
  disk_ = std::move(copy);
  may_be_found_ = {disk_};
}

void Machine::break_log(raft::Index index, Random& random) {
  if (!stored_) {
    disk_.broken = index;
    return;
  }
  may_be_found_ = process_->log.may_be_found();
  disk_ = may_be_found_.front();
  ++counters_.crashes;
  ++life_;
  stored_->kill();
  process_.reset();
  network_.process_died(node_);
  log_damaged_ = stored_->damage_log(random);
}

void Machine::corrupt_state(Random& random) {
  if (stored_ && !stored_->damage_state(random)) return;
  state_damaged_ = stored_ != nullptr;
  process_->applier.corrupt();
}

bool Machine::receive_stored(Machine& source, const std::string& image, bool last) {
  // A bit that turned in a table of the source's state turned in its images too, which share the file.
  const auto failed = [this, &source](const storage::Error& error) {
    if (source.state_damaged_ && error.code == storage::ErrorCode::corruption) {
      stored_->stop_receiving();
      world_.post({}, event(EventKind::install_failed));
      return false;
    }
    world_.fail(node_name(node_) + ": an image is not received: " + error.message);
    return false;
  };
  if (!stored_->receiving(image))
    if (const auto begun = stored_->begin_receiving(*source.stored_, image); !begun) return failed(begun.error());
  const std::uint64_t share = source.stored_->image_bytes(image) / scenario_.disk.fetch_pieces + 1;
  const auto received = stored_->receive(*source.stored_, image, last ? ~std::uint64_t{0} : share);
  if (!received) return failed(received.error());
  if (!last) return true;
  const raft::SnapshotMeta& meta = process_->installing->meta;
  const auto opened = stored_->open_received(meta.index, meta.term);
  if (!opened) return failed(opened.error());
  return true;
}

// As Host::restore_state. The model has done the same already.
bool Machine::restore_stored(Machine& source, const raft::SnapshotMeta& meta) {
  const std::string image = node_name(node_) + "-restores-" + std::to_string(life_);
  const auto failed = [this](const storage::Error& error) {
    world_.fail(node_name(node_) + ": a state is not restored: " + error.message);
    return false;
  };
  const auto made = source.stored_->make_image(image);
  if (!made) return failed(made.error());
  source.process_->applier.see_durable();
  if (const auto begun = stored_->begin_receiving(*source.stored_, image); !begun) return failed(begun.error());
  if (const auto done = stored_->receive(*source.stored_, image, ~std::uint64_t{0}); !done) return failed(done.error());
  source.stored_->drop_image(image);
  const auto directory = stored_->open_received(meta.index, meta.term);
  if (!directory) return failed(directory.error());
  if (const auto done = stored_->log().replace_state(meta, *directory); !done) return failed(done.error());
  stored_->switch_state();
  const std::string differs = difference(disk_, stored_->log()) + difference(disk_.state, stored_->state());
  if (!differs.empty()) return failed({storage::ErrorCode::corruption, differs});
  return true;
}

}  // namespace tenaz::sim
