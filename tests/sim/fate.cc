#include "tests/sim/fate.h"

namespace tenaz::sim {

const char* to_string(Step step) {
  switch (step) {
    case Step::write_queued:
      return "write queued";
    case Step::sync_begun:
      return "sync begun";
    case Step::synced:
      return "synced";
    case Step::reported:
      return "reported";
    case Step::sending:
      return "sending";
    case Step::applied:
      return "applied";
    case Step::flush_begun:
      return "flush begun";
    case Step::flushed:
      return "flushed";
    case Step::log_cut:
      return "log cut";
    case Step::image_made:
      return "image made";
    case Step::piece_fetched:
      return "piece fetched";
    case Step::image_fetched:
      return "image fetched";
    case Step::image_in_force:
      return "image in force";
    case Step::state_restored:
      return "state restored";
    case Step::started:
      return "started";
    case Step::peer_remembered:
      return "peer remembered";
  }
  return "?";
}

}  // namespace tenaz::sim
