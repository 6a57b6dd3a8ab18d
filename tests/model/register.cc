#include "tests/model/register.h"

#include <algorithm>

namespace tenaz::model {
namespace {

// Whether the guard of an operation that succeeded held; learns from it.
bool guard_held(const Operation& operation, Register& state) {
  switch (operation.guard) {
    case Guard::none:
      return true;
    case Guard::must_exist:
      return state.exists;
    case Guard::must_not_exist:
      return !state.exists;
    case Guard::mod_revision:
      return state.exists && state.learn_mod(operation.expected);
  }
  return false;
}

bool guard_failed(const Operation& operation, Register& state) {
  if (operation.existed && *operation.existed != state.exists) return false;
  if (state.exists && operation.mod_revision != 0 && !state.learn_mod(operation.mod_revision)) return false;
  switch (operation.guard) {
    case Guard::none:
      return false;
    case Guard::must_exist:
      return !state.exists;
    case Guard::must_not_exist:
      return state.exists;
    case Guard::mod_revision:
      return !state.exists || state.mod == 0 || state.mod != operation.expected;
  }
  return false;
}

// An answer that changed nothing speaks of revision `told`.
bool observe(std::uint64_t told, Register& state) {
  if (told == 0) return true;
  if (told < state.floor) return false;
  state.floor = told;
  return true;
}

// A write took a revision of its own.
bool advance(const Step& step, Register& state) {
  if (step.revision != 0 && step.revision <= state.floor) return false;
  state.floor = step.revision != 0 ? step.revision : std::max(state.floor + 1, step.at_least);
  state.exists = step.operation->kind == Kind::put;
  state.value = state.exists ? step.value : 0;
  state.mod = state.exists ? step.revision : 0;
  state.mod_at_least = state.exists ? state.floor : 0;
  return true;
}

}  // namespace

std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

bool is_read(Kind kind) {
  return kind == Kind::get || kind == Kind::list;
}

std::uint64_t Register::hash() const {
  std::uint64_t h = mix(exists ? value + 1 : 0);
  h = mix(h ^ mod);
  h = mix(h ^ mod_at_least);
  return mix(h ^ floor);
}

bool Register::learn_mod(std::uint64_t told) {
  if (mod != 0) return mod == told;
  if (told < mod_at_least) return false;
  mod = told;
  floor = std::max(floor, told);
  return true;
}

std::optional<Register> after(const Step& step, Register state) {
  const Operation& operation = *step.operation;
  if (operation.outcome == Outcome::precondition_failed) {
    if (!guard_failed(operation, state) || !observe(operation.revision, state)) return std::nullopt;
    return state;
  }
  if (operation.kind == Kind::get) {
    if (operation.existed.value_or(false) != state.exists) return std::nullopt;
    if (state.exists) {
      if (state.value != step.value) return std::nullopt;
      if (operation.mod_revision != 0 && !state.learn_mod(operation.mod_revision)) return std::nullopt;
    }
    if (!observe(operation.revision, state)) return std::nullopt;
    return state;
  }
  if (operation.existed && !step.optional && *operation.existed != state.exists) return std::nullopt;
  if (!guard_held(operation, state)) return std::nullopt;
  if (operation.kind == Kind::remove && !state.exists) {
    if (step.optional || !observe(operation.revision, state)) return std::nullopt;
    return state;
  }
  if (!advance(step, state)) return std::nullopt;
  return state;
}

}  // namespace tenaz::model
