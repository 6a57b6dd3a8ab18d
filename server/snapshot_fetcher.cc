#include <pthread.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "server/snapshot_transfer.h"

namespace tenaz::server {
namespace {

// A damaged file is fetched anew this often; then the image at the sender is to blame.
constexpr std::size_t kMaxDamagedFiles = 3;
// Far above any window: only a peer that sends what nobody asked for gets here.
constexpr std::size_t kMaxQueuedEvents = 64;

}  // namespace

SnapshotFetcher::SnapshotFetcher(std::filesystem::path data_dir, SnapshotSend send)
    : SnapshotFetcher(std::move(data_dir), std::move(send), Options()) {}

SnapshotFetcher::SnapshotFetcher(std::filesystem::path data_dir, SnapshotSend send, const Options& options)
    : data_dir_(std::move(data_dir)), send_(std::move(send)), options_(options) {
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "snapshot-fetch");
    run();
  });
}

SnapshotFetcher::~SnapshotFetcher() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void SnapshotFetcher::start(raft::NodeId from, const raft::SnapshotMeta& meta, const std::string& id, Done done) {
  push(Job{from, meta.index, id, std::move(done)});
}

void SnapshotFetcher::hurry() {
  push(Hurry{});
}

void SnapshotFetcher::on_manifest(raft::NodeId from, SnapshotManifest manifest) {
  push(From<SnapshotManifest>{from, std::move(manifest)});
}

void SnapshotFetcher::on_data(raft::NodeId from, SnapshotData data) {
  push(From<SnapshotData>{from, std::move(data)});
}

void SnapshotFetcher::push(Event event) {
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= kMaxQueuedEvents &&
        (std::holds_alternative<From<SnapshotManifest>>(event) || std::holds_alternative<From<SnapshotData>>(event)))
      return;
    queue_.push_back(std::move(event));
  }
  wake_.notify_one();
}

void SnapshotFetcher::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto due = [this] { return stopping_ || !queue_.empty(); };
    if (job_) {
      wake_.wait_until(lock, std::min(retry_at_, give_up_at()), due);
    } else if (discard_at_) {
      wake_.wait_until(lock, *discard_at_, due);
    } else {
      wake_.wait(lock, due);
    }
    if (stopping_) return;
    const bool unwanted = !job_ && queue_.empty() && discard_at_ && Clock::now() >= *discard_at_;
    auto events = std::exchange(queue_, {});
    lock.unlock();
    if (unwanted) discard();
    for (Event& event : events) {
      std::visit([this](auto& e) { handle(e); }, event);
    }
    events.clear();
    if (job_) on_deadline(Clock::now());
    lock.lock();
  }
}

void SnapshotFetcher::handle(Job& job) {
  job_ = std::move(job);
  receiver_.reset();
  files_.clear();
  asked_.clear();
  damaged_files_ = 0;
  hurried_ = broken_off_ = false;
  discard_at_.reset();
  end_transfer(false);
  got_on();
  ask({});
}

void SnapshotFetcher::handle(Hurry&) {
  hurried_ = true;
}

SnapshotFetcher::Clock::time_point SnapshotFetcher::give_up_at() const {
  return last_progress_ + (hurried_ ? options_.give_up_hurried : options_.give_up);
}

void SnapshotFetcher::handle(From<SnapshotManifest>& event) {
  SnapshotManifest& manifest = event.message;
  const bool any = job_ && job_->id.empty();
  if (!job_ || receiver_ || event.from != job_->from || (!any && manifest.manifest.id != job_->id)) return;
  if (!manifest.found)
    return fail(any ? "the sender has no image that would do" : "the sender no longer has image " + job_->id);
  if (any ? manifest.manifest.index < job_->index : manifest.manifest.index != job_->index)
    return fail("image " + manifest.manifest.id + " stands at another index than " +
                (any ? "was asked for" : "announced"));
  job_->id = manifest.manifest.id;
  job_->index = manifest.manifest.index;
  auto receiver = storage::Receiver::begin(data_dir_, manifest.manifest, options_.reserve_bytes);
  if (!receiver) return fail(receiver.error());
  receiver_ = std::move(*receiver);
  files_ = std::move(manifest.manifest.files);
  std::uint64_t bytes = 0;
  for (const storage::ImageFile& file : files_) bytes += file.bytes;
  spdlog::info("snapshot: fetching index {} from node {}: {} files, {} bytes", job_->index.value, job_->from.value,
               files_.size(), bytes);
  const std::uint64_t here = receiver_->bytes_here();
  if (here > 0) {
    spdlog::info("snapshot: {} bytes of it are here already, from an earlier attempt", here);
    if (options_.events != nullptr) options_.events->snapshot_resumed();
  }
  {
    const std::lock_guard lock(mutex_);
    transfer_.emplace(job_->from, Direction::in, job_->index, bytes, Clock::now(), here);
  }
  got_on();
  if (!receiver_->want()) return finish();
  ask_again();
}

void SnapshotFetcher::handle(From<SnapshotData>& event) {
  const SnapshotData& data = event.message;
  if (!job_ || !receiver_ || event.from != job_->from || data.snapshot_id != job_->id) return;
  if (!data.found) return fail("the sender can no longer read image " + job_->id);
  // Out of order means that something before it got lost, or that it comes a second time: the retry sees to it.
  if (asked_.empty() || data.file != asked_.front().file || data.offset != asked_.front().offset) return;
  if (data.bytes.empty() || data.bytes.size() > asked_.front().bytes) return;

  if (const auto written = receiver_->write(data.file, data.offset, data.bytes); !written) {
    if (written.error().code != storage::ErrorCode::corruption || ++damaged_files_ > kMaxDamagedFiles) {
      storage::Error error = written.error();
      if (error.code == storage::ErrorCode::corruption)
        error.message += fmt::format(" (from node {})", event.from.value);
      return fail(std::move(error));
    }
    spdlog::warn("snapshot: {}; it is fetched again", written.error().message);
    note_progress();
    return ask_again();
  }
  if (options_.events != nullptr) options_.events->snapshot_moved(Direction::in, data.bytes.size());
  if (std::exchange(broken_off_, false)) {
    spdlog::info("snapshot: pieces come again, going on with {} at byte {}", data.file, data.offset);
    if (options_.events != nullptr) options_.events->snapshot_resumed();
  }
  note_progress();
  got_on();
  if (!receiver_->want()) return finish();
  if (data.bytes.size() < asked_.front().bytes) return ask_again();  // less than asked for: the rest has moved
  asked_.pop_front();
  ask_more();
}

void SnapshotFetcher::on_deadline(Clock::time_point now) {
  if (now >= give_up_at()) return fail("nothing came from the sender for too long");
  if (now < retry_at_) return;
  retry_at_ = now + options_.retry;
  if (receiver_) {
    broken_off_ = true;
    ask_again();
  } else {
    ask({});
  }
}

void SnapshotFetcher::got_on() {
  last_progress_ = Clock::now();
  retry_at_ = last_progress_ + options_.retry;
}

void SnapshotFetcher::note_progress() {
  const std::uint64_t here = receiver_->bytes_here();
  const std::lock_guard lock(mutex_);
  transfer_->reached(here, Clock::now());
}

std::optional<SnapshotProgress> SnapshotFetcher::progress() const {
  const std::lock_guard lock(mutex_);
  if (!transfer_) return std::nullopt;
  return transfer_->view(Clock::now());
}

void SnapshotFetcher::end_transfer(bool whole) {
  std::optional<SnapshotTransfer> ended;
  {
    const std::lock_guard lock(mutex_);
    ended = std::exchange(transfer_, std::nullopt);
  }
  if (ended && options_.events != nullptr)
    options_.events->snapshot_ended(Direction::in, whole, ended->took(Clock::now()));
}

void SnapshotFetcher::ask(const Piece& piece) {
  const raft::Index at_least = job_->id.empty() ? job_->index : raft::Index();
  send_(job_->from, SnapshotRequest{job_->id, piece.file, piece.offset, piece.bytes, at_least});
}

void SnapshotFetcher::ask_again() {
  const auto want = receiver_->want();
  asked_.clear();
  const auto file = std::find_if(files_.begin(), files_.end(), [&](const auto& f) { return f.name == want->name; });
  plan_file_ = static_cast<std::size_t>(file - files_.begin());
  plan_offset_ = want->offset;
  ask_more();
}

void SnapshotFetcher::ask_more() {
  while (asked_.size() < options_.window && plan_file_ < files_.size()) {
    const storage::ImageFile& file = files_[plan_file_];
    const std::uint64_t bytes = std::min<std::uint64_t>(options_.piece_bytes, file.bytes - plan_offset_);
    if (bytes == 0) {
      ++plan_file_;
      plan_offset_ = 0;
      continue;
    }
    asked_.push_back({file.name, plan_offset_, bytes});
    plan_offset_ += bytes;
    ask(asked_.back());
  }
}

void SnapshotFetcher::finish() {
  auto directory = receiver_->finish();
  if (!directory) return fail(directory.error());
  spdlog::info("snapshot: index {} is here, in {}: {}", job_->index.value, *directory,
               moved_text(transfer_->moved(), transfer_->took(Clock::now())));
  end_transfer(true);
  receiver_.reset();
  const Job job = *std::exchange(job_, std::nullopt);
  job.done(std::move(*directory));
}

void SnapshotFetcher::discard() {
  discard_at_.reset();
  if (const auto done = storage::Receiver::discard(data_dir_); !done)
    spdlog::warn("snapshot: {}", done.error().message);
}

// It is the sender's fault. What has come stays for a while, in case the same image is offered again.
void SnapshotFetcher::fail(std::string why) {
  discard_at_ = Clock::now() + options_.keep_partial;
  end(storage::Error{storage::ErrorCode::io, std::move(why)});
}

// It is this disk's, or that of what has come. After a write or a sync that failed, what is read back proves nothing.
void SnapshotFetcher::fail(storage::Error error) {
  receiver_.reset();
  discard();
  end(std::move(error));
}

void SnapshotFetcher::end(storage::Error error) {
  end_transfer(false);
  receiver_.reset();
  const Job job = *std::exchange(job_, std::nullopt);
  job.done(std::move(error));
}

}  // namespace tenaz::server
