// tenazctl backup, verify-backup.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <iostream>

#include "backup/reader.h"
#include "client/tenazctl/commands.h"
#include "client/tenazctl/table.h"

namespace tenaz::client {

namespace {

int refuse(const std::string& why) {
  std::cerr << "tenazctl: " << why << '\n';
  return kRefused;
}

std::string system_text(int number) {
  return std::strerror(number);
}

std::string utc(std::uint64_t ms) {
  const auto seconds = static_cast<std::time_t>(ms / 1000);
  std::tm parts{};
  char text[32] = "?";
  if (::gmtime_r(&seconds, &parts) != nullptr) std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

int show(const std::string& file, const backup::Summary& summary, const Arguments& arguments) {
  const backup::Header& header = summary.header;
  if (arguments.output == Output::json) {
    return print_line(boost::json::serialize(boost::json::object{{"file", file},
                                                                 {"bytes", summary.bytes},
                                                                 {"sha256", summary.sha256},
                                                                 {"cluster_name", header.cluster_name},
                                                                 {"cluster_id", backup::to_hex(header.cluster_id)},
                                                                 {"node_id", header.node_id},
                                                                 {"revision", header.revision},
                                                                 {"compact_revision", header.compact_revision},
                                                                 {"applied_index", header.applied_index},
                                                                 {"term", header.term},
                                                                 {"made", utc(header.made_ms)},
                                                                 {"version", header.version}}));
  }
  return print(printable(file) + ": a whole backup\n" +                                                       //
               "revision  " + std::to_string(header.revision) + "\n" +                                        //
               "cluster   " + printable(header.cluster_name) + ", id " + backup::to_hex(header.cluster_id) +  //
               "\nmade      " + utc(header.made_ms) + " by node " + std::to_string(header.node_id) + ", tenaz " +
               printable(header.version) + "\n" +                     //
               "bytes     " + std::to_string(summary.bytes) + "\n" +  //
               "sha256    " + summary.sha256 + "\n");
}

// Not all at once at the end: where the file is on a node's own disk, the syncs of that node's log would wait for it.
constexpr std::size_t kWriteOutBytes = 1 << 20;

// A file under another name until it is whole, checked and on the disk; gone otherwise.
class NewFile {
 public:
  explicit NewFile(const std::string& name) : name_(name), temporary_(name + ".incomplete-XXXXXX") {
    fd_ = ::mkostemp(temporary_.data(), O_CLOEXEC);
    if (fd_ < 0) fault_ = temporary_ + " cannot be created: " + system_text(errno);
  }
  ~NewFile() {
    if (fd_ >= 0) {
      ::close(fd_);
      ::unlink(temporary_.c_str());
    }
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  bool write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        fault_ = temporary_ + " cannot be written: " + system_text(errno);
        return false;
      }
      bytes.remove_prefix(static_cast<std::size_t>(n));
      held_back_ += static_cast<std::size_t>(n);
    }
    if (held_back_ >= kWriteOutBytes) {
      // Begins to go to the disk; waits for no write to end, and takes no error away from sync().
      (void)!::sync_file_range(fd_, 0, 0, SYNC_FILE_RANGE_WRITE);
      held_back_ = 0;
    }
    return true;
  }
  bool sync() {
    if (::fsync(fd_) == 0) return true;
    fault_ = temporary_ + " cannot be synced: " + system_text(errno);
    return false;
  }
  // Under its name, durably. A file of that name that somebody else made meanwhile stays as it is.
  bool keep() {
    // A file system without hard links has renaming alone, which would replace such a file.
    const bool linked = ::link(temporary_.c_str(), name_.c_str()) == 0;
    if (!linked &&
        (errno == EEXIST || ::access(name_.c_str(), F_OK) == 0 || ::rename(temporary_.c_str(), name_.c_str()) != 0)) {
      fault_ = name_ + " cannot be created: " + system_text(errno);
      return false;
    }
    const std::size_t slash = name_.rfind('/');
    const std::string directory = slash == std::string::npos ? "." : name_.substr(0, slash + 1);
    const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool synced = fd >= 0 && ::fsync(fd) == 0;
    if (!synced) fault_ = directory + " cannot be synced: " + system_text(errno);
    if (fd >= 0) ::close(fd);
    return synced;
  }

  const std::string& temporary() const { return temporary_; }
  const std::string& fault() const { return fault_; }  // empty: all is well so far

 private:
  const std::string name_;
  std::string temporary_;
  int fd_ = -1;
  std::size_t held_back_ = 0;
  std::string fault_;
};

}  // namespace

int backup(Client& client, const Arguments& arguments) {
  struct stat there {};
  if (::lstat(arguments.file.c_str(), &there) == 0) return refuse(arguments.file + " exists already: nothing was done");
  NewFile file(arguments.file);
  if (!file.fault().empty()) return refuse(file.fault());
  const auto done =
      client.backup([&file](std::string_view bytes) { return file.write(bytes); }, arguments.read.consistency);
  if (!file.fault().empty()) return refuse(file.fault());
  if (!done) return complain(done.error());
  if (!file.sync()) return refuse(file.fault());
  // What is on the disk is read again: that is what a restore will have.
  const auto checked = backup::check_file(file.temporary());
  if (const auto* fault = std::get_if<backup::Fault>(&checked))
    return refuse("what came is no whole backup, and was not kept: " + fault->message);
  if (!file.keep()) return refuse(file.fault());
  return show(arguments.file, std::get<backup::Summary>(checked), arguments);
}

int verify_backup(Client&, const Arguments& arguments) {
  const auto checked = backup::check_file(arguments.file);
  if (const auto* fault = std::get_if<backup::Fault>(&checked)) return refuse(fault->message);
  return show(arguments.file, std::get<backup::Summary>(checked), arguments);
}

}  // namespace tenaz::client
