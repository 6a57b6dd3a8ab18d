# The threads around the host loop, and the program.
add_library(tenaz_server_app STATIC
  app.cc backup_source.cc event_log.cc executors.cc host.cc host_members.cc host_state.cc logging.cc open_files.cc recovery.cc service_manager.cc)
target_link_libraries(tenaz_server_app
  PUBLIC tenaz_server_replica tenaz_server_peer tenaz_server_http tenaz_config tenaz_asio
  PRIVATE Boost::json PkgConfig::libsystemd spdlog::spdlog tenaz_warnings)
target_compile_definitions(tenaz_server_app PUBLIC TENAZ_VERSION="${PROJECT_VERSION}")

add_executable(tenazd main.cc)
install(TARGETS tenazd DESTINATION ${CMAKE_INSTALL_SBINDIR})
target_link_libraries(tenazd PRIVATE tenaz_server_app CLI11::CLI11 tenaz_warnings)
if(JEMALLOC_LIBRARY AND NOT TENAZ_SANITIZE)
  target_link_libraries(tenazd PRIVATE ${JEMALLOC_LIBRARY})
endif()
set_target_properties(tenazd PROPERTIES
  RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin TENAZ_STATIC_ROCKSDB ${TENAZ_STATIC_ROCKSDB})
