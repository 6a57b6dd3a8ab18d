// Moving an image of the whole state from a leader to a follower that fell behind the log. The follower pulls: it asks
// for the manifest, then for piece after piece, a few at a time, so it asks again for what got lost, and goes on where
// it was after a broken connection. The sender sets the pace, for all followers together. Pieces cross the bulk lane,
// each in a frame with a checksum; each file has one too. Disk work is done on one thread of each class; calls return
// at once.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "raft/types.h"
#include "server/messages.h"
#include "server/pacer.h"
#include "server/snapshot_progress.h"
#include "storage/snapshot.h"
#include "storage/state_machine.h"
#include "storage/status.h"

namespace tenaz::server {

// Hands a message to the transport; called from the threads below. What gets lost is asked for again.
using SnapshotSend = std::function<void(raft::NodeId to, PeerMessage message)>;

// Makes images and serves them. Calls from any thread.
class SnapshotSender {
 public:
  struct Options {
    // Over it the one unused for longest goes, of those that are not being sent. Where all are, none is made for a
    // receiver that the newest will do for.
    std::size_t max_images = 3;
    std::chrono::nanoseconds keep_unused = std::chrono::minutes(5);
    std::size_t max_piece_bytes = 1 << 20;
    std::size_t max_waiting_requests = 256;  // more are dropped
    std::uint64_t bytes_per_second = 0;      // of pieces, to all receivers together; 0: as fast as they ask
    std::chrono::nanoseconds given_up_after = std::chrono::seconds(60);  // a receiver that no longer asks
    SnapshotEvents* events = nullptr;                                    // null, or outlives the sender
  };
  // index, term and id of the image; an empty id: none could be made (the log says why). On the sender's thread.
  using Made = std::function<void(raft::Index index, raft::Term term, const std::string& id)>;

  SnapshotSender(std::filesystem::path data_dir, SnapshotSend send, const Options& options);
  SnapshotSender(std::filesystem::path data_dir, SnapshotSend send);
  ~SnapshotSender();  // no callback comes afterwards; images are removed, one that is being made is given up

  void make_image(std::shared_ptr<storage::StateMachine> state, Made made);
  // `state`: an image of it is made for a request without an id, if it stands far enough and no image does.
  void on_request(raft::NodeId from, SnapshotRequest request, std::shared_ptr<storage::StateMachine> state = {});
  // Transfers under way, to whoever asked lately.
  std::vector<SnapshotProgress> progress() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Make {
    std::shared_ptr<storage::StateMachine> state;
    Made made;
  };
  struct Ask {
    raft::NodeId from;
    SnapshotRequest request;
    std::shared_ptr<storage::StateMachine> state;
  };
  struct Held {
    std::shared_ptr<storage::Image> image;
    Clock::time_point used;
  };
  using Receiver = std::pair<raft::NodeId, std::string>;  // and the image's id

  void run();
  void make(const Make& make);
  // Null: it failed, and the log says why.
  Held* create(storage::StateMachine& state);
  void answer(const Ask& ask);
  Held* wanted(const Ask& ask);
  Held* find(const std::string& id);
  bool being_sent(const Held& held) const;
  void pace(std::uint64_t bytes);
  void note_sent(raft::NodeId to, const storage::ImageManifest& manifest, const SnapshotData& data);
  void remove_unused();

  const std::filesystem::path data_dir_;
  const SnapshotSend send_;
  const Options options_;
  const std::string id_prefix_;  // fresh at every start
  std::uint64_t last_id_ = 0;
  std::list<Held> images_;  // of the thread
  Pacer pacer_;             // of the thread

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::variant<Make, Ask>> queue_;
  std::map<Receiver, SnapshotTransfer> transfers_;
  std::stop_source stop_;
  std::thread thread_;
};

// Fetches one image at a time. Calls from any thread.
class SnapshotFetcher {
 public:
  struct Options {
    std::size_t piece_bytes = 512 << 10;
    std::size_t window = 4;                                              // pieces asked for and not yet here
    std::chrono::nanoseconds retry = std::chrono::seconds(1);            // without progress: ask again
    std::chrono::nanoseconds give_up = std::chrono::seconds(60);         // without progress: failed
    std::chrono::nanoseconds give_up_hurried = std::chrono::seconds(2);  // the same after hurry()
    std::chrono::nanoseconds keep_partial = std::chrono::minutes(5);     // of an image that nobody goes on with
    std::uint64_t reserve_bytes = 0;                                     // an image must leave so much of the disk free
    SnapshotEvents* events = nullptr;                                    // null, or outlives the fetcher
  };
  // The name of the new state directory, below the data directory, or why there is none. On the fetcher's thread.
  using Done = std::function<void(storage::Result<std::string>)>;

  SnapshotFetcher(std::filesystem::path data_dir, SnapshotSend send, const Options& options);
  SnapshotFetcher(std::filesystem::path data_dir, SnapshotSend send);
  ~SnapshotFetcher();  // no callback comes afterwards

  // A fetch that is under way is given up, and its `done` is not called. An empty id: any image at meta.index or later.
  void start(raft::NodeId from, const raft::SnapshotMeta& meta, const std::string& id, Done done);
  // The fetch under way is given up soon if nothing comes any more.
  void hurry();
  void on_manifest(raft::NodeId from, SnapshotManifest manifest);
  void on_data(raft::NodeId from, SnapshotData data);
  // The transfer under way, once its manifest is here.
  std::optional<SnapshotProgress> progress() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Hurry {};
  struct Job {
    raft::NodeId from;
    raft::Index index;
    std::string id;
    Done done;
  };
  template <class Message>
  struct From {
    raft::NodeId from;
    Message message;
  };
  using Event = std::variant<Job, Hurry, From<SnapshotManifest>, From<SnapshotData>>;
  struct Piece {
    std::string file;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };

  void push(Event event);
  void run();
  void handle(Job& job);
  void handle(Hurry&);
  void handle(From<SnapshotManifest>& manifest);
  void handle(From<SnapshotData>& data);
  void on_deadline(Clock::time_point now);
  Clock::time_point give_up_at() const;
  void got_on();
  void note_progress();
  void end_transfer(bool whole);
  void discard();
  void ask(const Piece& piece);
  // Forgets what was asked for, and asks anew from the first byte that is missing.
  void ask_again();
  void ask_more();
  void finish();
  void fail(std::string why);
  void fail(storage::Error error);
  void end(storage::Error error);

  const std::filesystem::path data_dir_;
  const SnapshotSend send_;
  const Options options_;

  // Of the thread.
  std::optional<Job> job_;
  std::vector<storage::ImageFile> files_;
  std::unique_ptr<storage::Receiver> receiver_;  // once the manifest is here
  std::deque<Piece> asked_;                      // in order; the first is what receiver_ wants
  std::size_t plan_file_ = 0;                    // what to ask for next: files_[plan_file_] from plan_offset_
  std::uint64_t plan_offset_ = 0;
  std::size_t damaged_files_ = 0;
  bool hurried_ = false;
  bool broken_off_ = false;  // asked again since the last piece
  std::optional<Clock::time_point> discard_at_ = Clock::now() + options_.keep_partial;  // what is left in incoming/
  Clock::time_point last_progress_;
  Clock::time_point retry_at_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Event> queue_;
  std::optional<SnapshotTransfer> transfer_;  // the thread alone changes it
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tenaz::server
