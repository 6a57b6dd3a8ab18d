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
    : data_dir_(std::move(data_dir)), send_(std::move(send)), options_(options), id_prefix_(fresh_prefix()) {
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
    queue_.push_back(Ask{from, std::move(request), std::move(state)});
  }
  wake_.notify_one();
}

void SnapshotSender::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto due = [this] { return stop_.stop_requested() || !queue_.empty(); };
    if (images_.empty()) {
      wake_.wait(lock, due);
    } else {
      const auto oldest = std::min_element(images_.begin(), images_.end(),
                                           [](const Held& a, const Held& b) { return a.used < b.used; });
      wake_.wait_until(lock, oldest->used + options_.keep_unused, due);
    }
    if (stop_.stop_requested()) return;
    auto batch = std::exchange(queue_, {});
    lock.unlock();
    for (const auto& item : batch) {
      if (stop_.stop_requested()) return;
      if (const auto* make_item = std::get_if<Make>(&item)) {
        make(*make_item);
      } else {
        answer(std::get<Ask>(item));
      }
    }
    batch.clear();
    remove_unused();
    lock.lock();
  }
}

void SnapshotSender::make(const Make& make) {
  // Nothing was applied since: an image that is there will do.
  for (Held& held : images_) {
    if (held.image->manifest().index == make.state->applied_index()) {
      held.used = Clock::now();
      return make.made(held.image->manifest().index, held.image->term(), held.image->manifest().id);
    }
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
    auto piece = held->image->read(request.file, request.offset, bytes);
    if (piece) {
      reply.found = true;
      reply.bytes = std::move(*piece);
    } else {
      spdlog::error("snapshot: node {} cannot be served: {}", ask.from.value, piece.error().message);
    }
  }
  send_(ask.from, std::move(reply));
}

void SnapshotSender::remove_unused() {
  const auto now = Clock::now();
  images_.remove_if([&](const Held& held) { return now - held.used >= options_.keep_unused; });
  while (images_.size() > options_.max_images) {
    images_.erase(
        std::min_element(images_.begin(), images_.end(), [](const Held& a, const Held& b) { return a.used < b.used; }));
  }
}

}  // namespace tenaz::server
