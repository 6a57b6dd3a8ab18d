// Backups of this node's state, as the HTTP side reads them. Every call is thread-safe and returns at once; callbacks
// run on any thread, exactly once each: they must only post work elsewhere.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "server/node.h"
#include "storage/status.h"

namespace tenaz::server {

// A backup of the state that is being read (backup/format.h). Given up by destroying it, on any thread.
class Backup {
 public:
  virtual ~Backup() = default;
  virtual std::uint64_t bytes() const = 0;  // of all of it
  virtual storage::Revision revision() const = 0;
  // The next bytes, a little over 1 MiB at most; empty once all were given. One call at a time, after which the object
  // must live until `done` is called, on any thread.
  virtual void next(std::function<void(storage::Result<std::string>)> done) = 0;
};
using BackupResult = std::variant<std::shared_ptr<Backup>, Failure, storage::Error>;

class BackupPort {
 public:
  virtual ~BackupPort() = default;
  // Begins a backup of what is applied here. Few at a time: one more is `overloaded`.
  virtual void open_backup(std::function<void(BackupResult)> done) = 0;
};

}  // namespace tenaz::server
