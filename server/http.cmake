# Only server.cc and session.cc see Asio and Beast; the resources stay light to compile.
add_library(tenaz_server_http STATIC
  metrics.cc
  process_figures.cc
  http/answer.cc
  http/compact.cc
  http/backup.cc
  http/consistency.cc
  http/cursor.cc
  http/exchange.cc
  http/health.cc
  http/json_text.cc
  http/json_value.cc
  http/kv.cc
  http/leadership.cc
  http/list.cc
  http/members.cc
  http/membership_problem.cc
  http/parameters.cc
  http/preconditions.cc
  http/problem.cc
  http/router.cc
  http/server.cc
  http/session.cc
  http/settings.cc
  http/status.cc
  http/target.cc
  http/teaching.cc)
target_compile_definitions(tenaz_server_http PRIVATE TENAZ_VERSION="${PROJECT_VERSION}")
target_link_libraries(tenaz_server_http
  PUBLIC tenaz_server
  PRIVATE tenaz_config tenaz_asio Boost::json prometheus-cpp::core spdlog::spdlog tenaz_warnings)
