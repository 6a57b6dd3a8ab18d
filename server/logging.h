// Sets up spdlog: lines for people, or one JSON object per line. Call from the main thread.
#pragma once

#include "server/options.h"

namespace tenaz::server {

// Writes to standard error. Text: "2026-11-23T10:15:02.123Z info  message". JSON: {"time","level","message"}.
// Where standard error is systemd's journal, each line begins with its priority ("<4>", sd-daemon(3)), which the
// journal takes away and keeps; the text leaves out the time, which the journal notes itself. May be called again to
// change level and format.
void set_up_logging(const LogOptions& options);

}  // namespace tenaz::server
