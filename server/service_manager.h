// What the service manager that started this process is told: systemd, or whoever set $NOTIFY_SOCKET, by sd_notify(3).
// When this node serves, how it stands, that it reads its configuration again, that it stops. Without $NOTIFY_SOCKET
// every call does nothing.
//
// Only the main thread sends: that may block while the manager does not read, which must never hold up the replica.
// Other threads leave the standing here and go on; wake_fd() tells the main thread that there is a new one.
#pragma once

#include <mutex>
#include <string>

namespace tenaz::server {

class ServiceManager {
 public:
  ServiceManager();
  ~ServiceManager();
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;

  // Any thread, never blocks. How this node stands, in a few words for `systemctl status`; the newest one counts.
  void standing(std::string text);

  // --- main thread ----------------------------------------------------------------------------------------------
  // Not ready yet; `text` says what takes the time, or why it cannot be.
  void starting(const std::string& text);
  // Clients and peers are served: at start, and again after reloading().
  void ready();
  // Passes a new standing on, if there is one. Only after ready().
  void pass_on();
  // Until the next ready().
  void reloading();
  void stopping(const std::string& text);
  // Readable (poll) once there is a standing to pass on.
  int wake_fd() const { return wake_fd_; }

 private:
  std::string take_standing();
  void send(const std::string& state, const std::string& status);

  std::mutex mutex_;
  std::string standing_;
  std::string told_;  // main thread
  int wake_fd_;
  bool warned_ = false;  // main thread
};

}  // namespace tenaz::server
