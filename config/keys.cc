#include "config/keys.h"

#include "config/units.h"

namespace tenaz::config {

std::vector<Key> keys_of(Config& c) {
  return {
      {"node", "id", Id{&c.node.id}},
      {"node", "name", &c.node.name},
      {"node", "data_dir", &c.node.data_dir},

      {"cluster", "name", &c.cluster.name},
      {"cluster", "token", &c.cluster.token},
      {"cluster", "join", Texts{&c.cluster.join}},

      {"http", "listen", &c.http.listen},
      {"http", "threads", Count{&c.http.threads}},
      {"http", "max_connections", Count{&c.http.max_connections}},
      {"http", "request_timeout", Duration{&c.http.request_timeout}},
      {"http", "idle_timeout", Duration{&c.http.idle_timeout}},
      {"http", "header_timeout", Duration{&c.http.header_timeout}},
      {"http", "body_timeout", Duration{&c.http.body_timeout}},
      {"http", "max_header_bytes", Size{&c.http.max_header_bytes}},
      {"http", "teaching_routes", &c.http.teaching_routes},

      {"peer", "listen", &c.peer.listen},
      {"peer", "connect_timeout", Duration{&c.peer.connect_timeout}},
      {"peer", "reconnect_min", Duration{&c.peer.reconnect_min}},
      {"peer", "reconnect_max", Duration{&c.peer.reconnect_max}},
      {"peer", "max_frame_bytes", Size{&c.peer.max_frame_bytes}},
      {"peer", "max_queue_bytes", Size{&c.peer.max_queue_bytes}},
      {"peer", "max_snapshot_rate", Size{&c.peer.max_snapshot_rate}},

      {"limits", "max_value_bytes", Size{&c.limits.max_value_bytes}},
      {"limits", "max_inflight_bytes", Size{&c.limits.max_inflight_bytes}},
      {"limits", "max_buffered_bytes", Size{&c.limits.max_buffered_bytes}},

      {"raft", "heartbeat_interval", Duration{&c.raft.heartbeat_interval}},
      {"raft", "election_timeout_min", Duration{&c.raft.election_timeout_min}},
      {"raft", "election_timeout_max", Duration{&c.raft.election_timeout_max}},
      {"raft", "transfer_timeout", Duration{&c.raft.transfer_timeout}},
      {"raft", "disk_stall_timeout", Duration{&c.raft.disk_stall_timeout}},
      {"raft", "max_append_bytes", Size{&c.raft.max_append_bytes}},
      {"raft", "max_inflight_appends", Count{&c.raft.max_inflight_appends}},
      {"raft", "max_inflight_bytes", Size{&c.raft.max_inflight_bytes}},
      {"raft", "max_uncommitted_bytes", Size{&c.raft.max_uncommitted_bytes}},
      {"raft", "max_apply_bytes", Size{&c.raft.max_apply_bytes}},
      {"raft", "cache_bytes", Size{&c.raft.cache_bytes}},

      {"storage", "cache_bytes", Size{&c.storage.cache_bytes}},
      {"storage", "write_buffer_bytes", Size{&c.storage.write_buffer_bytes}},
      {"storage", "log_buffer_bytes", Size{&c.storage.log_buffer_bytes}},
      {"storage", "log_retain_bytes", Size{&c.storage.log_retain_bytes}},
      {"storage", "log_retain_time", Duration{&c.storage.log_retain_time}},
      {"storage", "reserve_bytes", Size{&c.storage.reserve_bytes}},
      {"storage", "key_cache_bytes", Size{&c.storage.key_cache_bytes}},

      {"history", "keep_age", Duration{&c.history.keep_age}},
      {"history", "keep_revisions", Count{&c.history.keep_revisions}},
      {"history", "compact_interval", Duration{&c.history.compact_interval}},

      {"log", "level", &c.log.level},
      {"log", "format", &c.log.format},
  };
}

std::vector<Key> keys_of(Member& m) {
  return {
      {"cluster.members", "id", Id{&m.id}},
      {"cluster.members", "name", &m.name},
      {"cluster.members", "peer", &m.peer},
      {"cluster.members", "client", &m.client},
  };
}

std::string format_value(const Field& field) {
  struct Format {
    std::string operator()(const std::string* text) const { return '"' + *text + '"'; }
    std::string operator()(const bool* flag) const { return *flag ? "true" : "false"; }
    std::string operator()(Id id) const { return std::to_string(*id.value); }
    std::string operator()(Count count) const { return std::to_string(*count.value); }
    std::string operator()(Size size) const { return '"' + format_size(*size.value) + '"'; }
    std::string operator()(Duration duration) const { return '"' + format_duration(*duration.value) + '"'; }
    std::string operator()(Texts texts) const {
      std::string out;
      for (const std::string& text : *texts.value) out.append(out.empty() ? "\"" : ", \"").append(text).append("\"");
      return "[" + out + "]";
    }
  };
  return std::visit(Format{}, field);
}

std::vector<std::string> changed_keys(const Config& before, const Config& after) {
  Config old = before, now = after;  // keys are bound to fields that can be set
  const std::vector<Key> old_keys = keys_of(old), now_keys = keys_of(now);
  std::vector<std::string> changed;
  if (before.cluster.members != after.cluster.members) changed.emplace_back("cluster.members");
  for (std::size_t i = 0; i < old_keys.size(); ++i) {
    if (format_value(old_keys[i].field) != format_value(now_keys[i].field)) changed.push_back(old_keys[i].path());
  }
  return changed;
}

}  // namespace tenaz::config
