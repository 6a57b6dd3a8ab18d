# Generated code is compiled apart: it is not ours to keep free of warnings. Its own folder, so that no room sees another's.
set(peer_proto_dir ${TENAZ_ROOMS_DIR}/peer_proto)
file(MAKE_DIRECTORY ${peer_proto_dir}/peer)
add_custom_command(
  OUTPUT ${peer_proto_dir}/peer/raft.pb.cc ${peer_proto_dir}/peer/raft.pb.h
  COMMAND protobuf::protoc --cpp_out=${peer_proto_dir} -I${CMAKE_SOURCE_DIR}/server
          ${CMAKE_SOURCE_DIR}/server/peer/raft.proto
  DEPENDS ${CMAKE_SOURCE_DIR}/server/peer/raft.proto)
add_library(tenaz_peer_proto STATIC ${peer_proto_dir}/peer/raft.pb.cc)
target_include_directories(tenaz_peer_proto SYSTEM PUBLIC ${peer_proto_dir})
target_link_libraries(tenaz_peer_proto PUBLIC protobuf::libprotobuf-lite)

add_library(tenaz_server_peer STATIC
  peer/framing.cc peer/handshake.cc peer/identity.cc peer/inbound.cc peer/lanes.cc peer/links.cc peer/log_limiter.cc
  peer/outbound.cc peer/probe.cc peer/transport.cc peer/wire_decode.cc peer/wire_encode.cc snapshot_fetcher.cc
  snapshot_progress.cc
  snapshot_sender.cc)
target_link_libraries(tenaz_server_peer
  PUBLIC tenaz_server tenaz_asio
  PRIVATE tenaz_peer_proto spdlog::spdlog tenaz_warnings)
