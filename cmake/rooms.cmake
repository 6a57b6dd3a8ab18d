# A room is one top-level folder and one target, tenaz_<room>. Files include each other as "room/file.h", and a room
# sees only the rooms it links to: each room's include path is a folder that holds nothing but a link to it.

set(TENAZ_ROOMS_DIR ${CMAKE_BINARY_DIR}/rooms)

add_library(tenaz_warnings INTERFACE)
target_compile_options(tenaz_warnings INTERFACE -Wall -Wextra -Wpedantic -Wconversion $<$<BOOL:${TENAZ_WERROR}>:-Werror>)

if(TENAZ_SANITIZE)
  add_compile_options(-fsanitize=${TENAZ_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${TENAZ_SANITIZE})
endif()

# tenaz_room(NAME [INTERFACE] [SOURCES ...] [LINK ...] [PRIVATE_LINK ...])
#   LINK          what the room's headers need: other rooms and libraries
#   PRIVATE_LINK  what only its .cc files need
function(tenaz_room name)
  cmake_parse_arguments(ROOM "INTERFACE" "" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
  set(include_dir ${TENAZ_ROOMS_DIR}/${name})
  file(MAKE_DIRECTORY ${include_dir})
  file(CREATE_LINK ${CMAKE_SOURCE_DIR}/${name} ${include_dir}/${name} SYMBOLIC)
  if(ROOM_INTERFACE)
    add_library(tenaz_${name} INTERFACE)
    target_include_directories(tenaz_${name} INTERFACE ${include_dir})
    target_link_libraries(tenaz_${name} INTERFACE ${ROOM_LINK})
  else()
    add_library(tenaz_${name} STATIC ${ROOM_SOURCES})
    target_include_directories(tenaz_${name} PUBLIC ${include_dir})
    target_link_libraries(tenaz_${name} PUBLIC ${ROOM_LINK} PRIVATE ${ROOM_PRIVATE_LINK} tenaz_warnings)
  endif()
endfunction()

# tenaz_options(NAME): a target tenaz_<room>_options of the room's options.h and options.cc alone, for config. The room
# links it too.
function(tenaz_options name)
  set(include_dir ${TENAZ_ROOMS_DIR}/${name}_options)
  file(MAKE_DIRECTORY ${include_dir}/${name})
  file(CREATE_LINK ${CMAKE_SOURCE_DIR}/${name}/options.h ${include_dir}/${name}/options.h SYMBOLIC)
  add_library(tenaz_${name}_options STATIC options.cc)
  target_include_directories(tenaz_${name}_options PUBLIC ${include_dir})
  target_link_libraries(tenaz_${name}_options PRIVATE tenaz_warnings)
endfunction()
