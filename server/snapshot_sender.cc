#include <pthread.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <random>

#include "server/snapshot_transfer.h"

namespace tenaz::server {
namespace {

std::string fresh_prefix() {
  std::random_device device;
  return std::to_string(device()) + "-" + std::to_string(device()) + "-";
}

}  // namespace

SnapshotSender::SnapshotSender(std::filesystem::path data_dir, SnapshotSend send)
    : SnapshotSender(std::move(data_dir), std::move(send), Options()) {}

SnapshotSender::SnapshotSender(std::filesystem::path data_dir, SnapshotSend send, const Options& options)
    : data_dir_(std::move(data_dir)),
      send_(std::move(send)),
      options_(options),
      id_prefix_(fresh_prefix()),
      pacer_(options.bytes_per_second) {
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "snapshot-send");
    run();
  });
}

SnapshotSender::~SnapshotSender() {
  {
    const std::lock_guard lock(mutex_);
    stop_.request_stop();
  }
  wake_.notify_one();
  thread_.join();
}

void SnapshotSender::make_image(std::shared_ptr<storage::StateMachine> state, Made made) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(Make{std::move(state), std::move(made)});
  }
  wake_.notify_one();
}

void SnapshotSender::on_request(raft::NodeId from, SnapshotRequest request,
                                std::shared_ptr<storage::StateMachine> state) {
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= options_.max_waiting_requests) return;
    // Asked again for what is still waiting to be sent: a receiver that finds this node slow must not make it slower.
    const auto same = [&](const std::variant<Make, Ask>& item) {
      const auto* ask = std::get_if<Ask>(&item);
      return ask != nullptr && ask->from == from && ask->request.snapshot_id == request.snapshot_id &&
             ask->request.file == request.file && ask->request.offset == request.offset;
    };
    if (std::any_of(queue_.begin(), queue_.end(), same)) return;
    queue_.push_back(Ask{from, std::move(request), std::move(state)});
  }
  wake_.notify_one();
}

void SnapshotSender::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto due = [this] { return stop_.stop_requested() || !queue_.empty(); };
    auto look_again = Clock::time_point::max();
    for (const Held& held : images_) look_again = std::min(look_again, held.used + options_.keep_unused);
    for (const auto& [receiver, transfer] : transfers_)
      look_again = std::min(look_again, transfer.last() + options_.given_up_after);
    if (look_again == Clock::time_point::max()) {
      wake_.wait(lock, due);
    } else {
      wake_.wait_until(lock, look_again, due);
    }
    if (stop_.stop_requested()) return;
    if (!queue_.empty()) {
      const auto item = queue_.front();  // it stays until it is done, so that it is not asked for again meanwhile
      lock.unlock();
      if (const auto* make_item = std::get_if<Make>(&item)) {
        make(*make_item);
      } else {
        answer(std::get<Ask>(item));
      }
      lock.lock();
      queue_.pop_front();
    }
    lock.unlock();
    remove_unused();
    lock.lock();
  }
}

void SnapshotSender::make(const Make& make) {
  // An image that is there will do if nothing was applied since, or if there is no room for another.
  const auto index_of = [](const Held& held) { return held.image->manifest().index; };
  const auto newest = std::max_element(images_.begin(), images_.end(),
                                       [&](const Held& a, const Held& b) { return index_of(a) < index_of(b); });
  const bool full = images_.size() >= options_.max_images &&
                    std::all_of(images_.begin(), images_.end(), [this](const Held& held) { return being_sent(held); });
  if (newest != images_.end() && (full || index_of(*newest) == make.state->applied_index())) {
    newest->used = Clock::now();
    return make.made(index_of(*newest), newest->image->term(), newest->image->manifest().id);
  }
  const Held* held = create(*make.state);
  if (stop_.stop_requested()) return;
  if (held == nullptr) return make.made({}, {}, {});
  make.made(held->image->manifest().index, held->image->term(), held->image->manifest().id);
}

SnapshotSender::Held* SnapshotSender::create(storage::StateMachine& state) {
  auto image = storage::Image::create(state, data_dir_, id_prefix_ + std::to_string(++last_id_), stop_.get_token());
  if (stop_.stop_requested()) return nullptr;
  if (!image) {
    spdlog::error("snapshot: no image could be made: {}", image.error().message);
    return nullptr;
  }
  const storage::ImageManifest& manifest = (*image)->manifest();
  std::uint64_t bytes = 0;
  for (const storage::ImageFile& file : manifest.files) bytes += file.bytes;
  spdlog::info("snapshot: made image {} at index {}, {} files, {} bytes", manifest.id, manifest.index.value,
               manifest.files.size(), bytes);
  images_.push_back({std::move(*image), Clock::now()});
  return &images_.back();
}

SnapshotSender::Held* SnapshotSender::find(const std::string& id) {
  for (Held& held : images_) {
    if (held.image->manifest().id == id) return &held;
  }
  return nullptr;
}

// What a receiver asked for before it asked for another one is not.
bool SnapshotSender::being_sent(const Held& held) const {
  const auto now = Clock::now();
  const std::lock_guard lock(mutex_);
  const auto overtaken = [&](raft::NodeId to, Clock::time_point last) {
    return std::any_of(transfers_.begin(), transfers_.end(),
                       [&](const auto& item) { return item.first.first == to && item.second.last() > last; });
  };
  return std::any_of(transfers_.begin(), transfers_.end(), [&](const auto& item) {
    const auto& [receiver, transfer] = item;
    return receiver.second == held.image->manifest().id && !transfer.whole() &&
           now - transfer.last() < options_.given_up_after && !overtaken(receiver.first, transfer.last());
  });
}

SnapshotSender::Held* SnapshotSender::wanted(const Ask& ask) {
  if (!ask.request.snapshot_id.empty()) return find(ask.request.snapshot_id);
  // Asked again while the image was being made, it is the same one that is answered.
  for (Held& held : images_) {
    if (held.image->manifest().index >= ask.request.at_least) return &held;
  }
  if (!ask.state || ask.state->applied_index() < ask.request.at_least) return nullptr;
  return create(*ask.state);
}

void SnapshotSender::answer(const Ask& ask) {
  const SnapshotRequest& request = ask.request;
  Held* held = wanted(ask);
  if (held != nullptr) held->used = Clock::now();
  if (request.file.empty()) {
    SnapshotManifest reply;
    reply.found = held != nullptr;
    reply.manifest.id = request.snapshot_id;
    if (held != nullptr) reply.manifest = held->image->manifest();
    return send_(ask.from, std::move(reply));
  }
  SnapshotData reply{request.snapshot_id, false, request.file, request.offset, {}};
  if (held != nullptr) {
    const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>(request.bytes, options_.max_piece_bytes));
    pace(bytes);
    auto piece = held->image->read(request.file, request.offset, bytes);
    if (piece) {
      reply.found = true;
      reply.bytes = std::move(*piece);
      note_sent(ask.from, held->image->manifest(), reply);
    } else {
      spdlog::error("snapshot: node {} cannot be served: {}", ask.from.value, piece.error().message);
    }
  }
  send_(ask.from, std::move(reply));
}

// Waits on this thread, which has nothing else to do: heartbeats and appends are other threads' and other lanes'.
void SnapshotSender::pace(std::uint64_t bytes) {
  const auto wait = pacer_.take(Clock::now(), bytes);
  if (wait.count() == 0) return;
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, wait, [this] { return stop_.stop_requested(); });
}

void SnapshotSender::note_sent(raft::NodeId to, const storage::ImageManifest& manifest, const SnapshotData& data) {
  const auto now = Clock::now();
  std::uint64_t before = 0, total = 0;
  bool found = false;
  for (const storage::ImageFile& file : manifest.files) {
    found = found || file.name == data.file;
    if (!found) before += file.bytes;
    total += file.bytes;
  }
  if (options_.events != nullptr) options_.events->snapshot_moved(Direction::out, data.bytes.size());
  const std::lock_guard lock(mutex_);
  auto it = transfers_.find({to, manifest.id});
  if (it == transfers_.end()) {
    spdlog::info("snapshot: sending image {} at index {} to node {}: {} files, {} bytes", manifest.id,
                 manifest.index.value, to.value, manifest.files.size(), total);
    it = transfers_.emplace(Receiver{to, manifest.id}, SnapshotTransfer(to, Direction::out, manifest.index, total, now))
             .first;
  }
  SnapshotTransfer& transfer = it->second;
  const bool was_whole = transfer.whole();
  if (was_whole) return;  // the last piece once more: it got lost
  transfer.reached(before + data.offset + data.bytes.size(), now);
  if (!transfer.whole()) return;
  spdlog::info("snapshot: node {} was sent all of index {}: {}", to.value, manifest.index.value,
               moved_text(transfer.moved(), transfer.took(now)));
  if (options_.events != nullptr) options_.events->snapshot_ended(Direction::out, true, transfer.took(now));
}

std::vector<SnapshotProgress> SnapshotSender::progress() const {
  const auto now = Clock::now();
  std::vector<SnapshotProgress> out;
  const std::lock_guard lock(mutex_);
  for (const auto& [receiver, transfer] : transfers_)
    if (!transfer.whole() && now - transfer.last() < options_.given_up_after) out.push_back(transfer.view(now));
  return out;
}

void SnapshotSender::remove_unused() {
  const auto now = Clock::now();
  {
    const std::lock_guard lock(mutex_);
    for (auto it = transfers_.begin(); it != transfers_.end();) {
      const bool over = now - it->second.last() >= options_.given_up_after;
      if (over && !it->second.whole()) {
        spdlog::warn("snapshot: node {} asks no longer for image {}", it->first.first.value, it->first.second);
        if (options_.events != nullptr)
          options_.events->snapshot_ended(Direction::out, false, it->second.took(it->second.last()));
      }
      it = over ? transfers_.erase(it) : std::next(it);
    }
  }
  images_.remove_if([&](const Held& held) { return now - held.used >= options_.keep_unused; });
  while (images_.size() > options_.max_images) {
    auto oldest = images_.end();
    for (auto it = images_.begin(); it != images_.end(); ++it)
      if (!being_sent(*it) && (oldest == images_.end() || it->used < oldest->used)) oldest = it;
    if (oldest == images_.end()) break;
    images_.erase(oldest);
  }
}

}  // namespace tenaz::server
