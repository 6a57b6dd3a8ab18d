# Every dependency is a Debian 12 package; packaging/dependencies.txt lists them.
find_package(Threads REQUIRED)
find_package(RocksDB 7.8 CONFIG REQUIRED)
set(Boost_NO_BOOST_CMAKE OFF)
find_package(Boost 1.81 REQUIRED COMPONENTS json url context)
find_package(Protobuf REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(fmt CONFIG REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(tomlplusplus CONFIG REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(libsystemd REQUIRED IMPORTED_TARGET libsystemd)
if(BUILD_TESTING)
  find_package(GTest CONFIG REQUIRED)
  find_package(benchmark CONFIG REQUIRED)
endif()

# jemalloc for the server: less fragmentation under many small requests. Left out of sanitizer builds.
find_library(JEMALLOC_LIBRARY jemalloc)

# The .pc file of Debian's tomlplusplus has these definitions; its CMake target lacks them.
add_library(tenaz_toml INTERFACE)
target_link_libraries(tenaz_toml INTERFACE tomlplusplus::tomlplusplus)
target_compile_definitions(tenaz_toml INTERFACE TOML_HEADER_ONLY=0 TOML_SHARED_LIB=1)

add_library(tenaz_rocksdb INTERFACE)
# A program with the property TENAZ_STATIC_ROCKSDB has the library inside: calls within it, and above all its thread-local
# performance counters, then cost no look-up, which is a quarter of the cost of applying a put.
target_link_libraries(tenaz_rocksdb INTERFACE
  $<IF:$<BOOL:$<TARGET_PROPERTY:TENAZ_STATIC_ROCKSDB>>,RocksDB::rocksdb,RocksDB::rocksdb-shared>)

add_library(tenaz_asio INTERFACE)
target_link_libraries(tenaz_asio INTERFACE Boost::headers Threads::Threads)
target_compile_definitions(tenaz_asio INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_HANDLER_TYPE_REQUIREMENTS)
