#include "server/service_manager.h"

#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <system_error>

namespace tenaz::server {

// Without it (no more open files) only news of the standing is missing.
ServiceManager::ServiceManager() : wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

ServiceManager::~ServiceManager() {
  if (wake_fd_ >= 0) ::close(wake_fd_);
}

void ServiceManager::standing(std::string text) {
  {
    const std::lock_guard lock(mutex_);
    if (text == standing_) return;
    standing_ = std::move(text);
  }
  // The only failure is a counter that cannot rise any more; then it is readable already.
  ::eventfd_write(wake_fd_, 1);
}

void ServiceManager::starting(const std::string& text) {
  send("", text);
}

void ServiceManager::ready() {
  send("READY=1\n", take_standing());
}

void ServiceManager::pass_on() {
  if (std::string text = take_standing(); text != told_) send("", text);
}

// The time is what Type=notify-reload compares; a systemd that does not know it yet ignores it.
void ServiceManager::reloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const std::int64_t microseconds = static_cast<std::int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
  send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(microseconds) + "\n", "reading the configuration again");
}

void ServiceManager::stopping(const std::string& text) {
  send("STOPPING=1\n", text);
}

// Reset before it is read: a standing that comes between the two wakes once more.
std::string ServiceManager::take_standing() {
  eventfd_t count = 0;
  ::eventfd_read(wake_fd_, &count);
  const std::lock_guard lock(mutex_);
  return standing_;
}

void ServiceManager::send(const std::string& state, const std::string& status) {
  told_ = status;
  std::string message = state + "STATUS=" + status;
  std::replace(message.begin() + static_cast<std::ptrdiff_t>(state.size()), message.end(), '\n', ' ');
  const int sent = ::sd_notify(0, message.c_str());
  if (sent >= 0 || warned_) return;
  warned_ = true;
  spdlog::warn("the service manager cannot be told anything: {}", std::generic_category().message(-sent));
}

}  // namespace tenaz::server
