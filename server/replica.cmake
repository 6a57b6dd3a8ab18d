# The host loop: threadless; the simulator links it alone.
add_library(tenaz_server_replica STATIC replica.cc replica_clients.cc replica_history.cc
  replica_membership.cc replica_stall.cc waiters.cc)
target_link_libraries(tenaz_server_replica PUBLIC tenaz_server PRIVATE tenaz_warnings)
