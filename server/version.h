// The version of this build, set by CMake from the project's.
#pragma once

namespace tenaz::server {

#ifndef TENAZ_VERSION
#error "TENAZ_VERSION is set by the build"
#endif

inline constexpr const char* kVersion = TENAZ_VERSION;

}  // namespace tenaz::server
