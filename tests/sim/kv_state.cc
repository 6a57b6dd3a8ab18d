#include "tests/sim/kv_state.h"

#include <algorithm>
#include <iterator>

#include "tests/sim/random.h"

namespace tenaz::sim {
namespace {

std::uint64_t hash_of(std::string_view bytes) {
  std::uint64_t h = 0xcbf29ce484222325u;
  for (const char c : bytes) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return mix(h);
}

std::uint64_t hash_of(std::string_view key, const KvState::Cell& cell) {
  return mix(hash_of(key) ^ mix(hash_of(cell.value) + cell.create_revision.value * 3 + cell.mod_revision.value * 5 +
                                cell.version * 7));
}

}  // namespace

const KvState::Cell* KvState::find(const std::string& key) const {
  const auto found = cells.find(key);
  return found == cells.end() ? nullptr : &found->second;
}

bool KvState::holds(const storage::pb::Condition& condition, const Cell* cell) const {
  if (condition.must_exist() && !cell) return false;
  if (condition.must_not_exist() && cell) return false;
  if (condition.mod_revisions().empty()) return true;
  return cell && std::find(condition.mod_revisions().begin(), condition.mod_revisions().end(),
                           cell->mod_revision.value) != condition.mod_revisions().end();
}

void KvState::remember(std::vector<std::pair<std::string, std::optional<Cell>>> before) {
  last_ = std::make_shared<const Change>(Change{revision, std::move(before), std::move(last_)});
}

KvState::Cells KvState::at(storage::Revision wanted) const {
  Cells then = cells;
  for (const Change* change = last_.get(); change && change->revision > wanted; change = change->earlier.get())
    for (const auto& [key, cell] : change->before) {
      if (cell)
        then.insert_or_assign(key, *cell);
      else
        then.erase(key);
    }
  return then;
}

storage::CommandResult KvState::refused(const Cell* cell) const {
  storage::CommandResult result;
  result.code = storage::CommandResult::Code::precondition_failed;
  result.revision = revision;
  if (cell) {
    result.mod_revision = cell->mod_revision;
    result.create_revision = cell->create_revision;
    result.version = cell->version;
  }
  return result;
}

storage::CommandResult KvState::put(const storage::pb::Put& put) {
  const Cell* before = find(put.key());
  if (!holds(put.condition(), before)) return refused(before);
  revision = revision.next();
  Cell cell{put.value(), before ? before->create_revision : revision, revision, before ? before->version + 1 : 1};
  if (before) digest ^= hash_of(put.key(), *before);
  digest ^= hash_of(put.key(), cell);
  storage::CommandResult result;
  result.revision = revision;
  result.create_revision = cell.create_revision;
  result.version = cell.version;
  remember({{put.key(), before ? std::optional(*before) : std::nullopt}});
  cells.insert_or_assign(put.key(), std::move(cell));
  return result;
}

storage::CommandResult KvState::remove(const std::string& key, const storage::pb::Condition& condition) {
  const auto found = cells.find(key);
  const Cell* before = found == cells.end() ? nullptr : &found->second;
  if (!holds(condition, before)) return refused(before);
  storage::CommandResult result;
  if (before) {
    revision = revision.next();
    digest ^= hash_of(key, *before);
    remember({{key, *before}});
    cells.erase(found);
    result.deleted = 1;
  }
  result.revision = revision;
  return result;
}

storage::CommandResult KvState::remove_range(const storage::pb::DeleteRange& range) {
  const auto begin = cells.lower_bound(range.start());
  const auto end = range.end().empty() ? cells.end() : cells.lower_bound(range.end());
  const bool empty = begin == cells.end() || (!range.end().empty() && range.end() <= range.start());
  storage::CommandResult result;
  if (!empty) result.deleted = static_cast<std::uint64_t>(std::distance(begin, end));
  if (result.deleted > range.max_keys()) {
    result.code = storage::CommandResult::Code::too_many_keys;
    result.deleted = 0;
  } else if (result.deleted > 0) {
    revision = revision.next();
    for (auto cell = begin; cell != end; ++cell) digest ^= hash_of(cell->first, cell->second);
    remember({begin, end});
    cells.erase(begin, end);
  }
  result.revision = revision;
  return result;
}

storage::CommandResult KvState::compact(storage::Revision upto) {
  storage::CommandResult result;
  result.revision = revision;
  if (upto > revision)
    result.code = storage::CommandResult::Code::future_revision;
  else if (upto <= compact_revision)
    result.code = storage::CommandResult::Code::compacted;
  else
    compact_revision = upto;
  return result;
}

storage::CommandResult KvState::apply(const storage::pb::Command& command) {
  switch (command.operation_case()) {
    case storage::pb::Command::kPut:
      return put(command.put());
    case storage::pb::Command::kDelete:
      return remove(command.delete_().key(), command.delete_().condition());
    case storage::pb::Command::kDeleteRange:
      return remove_range(command.delete_range());
    case storage::pb::Command::kCompact:
      return compact(storage::Revision(command.compact().revision()));
    case storage::pb::Command::OPERATION_NOT_SET:
      break;
  }
  return {};
}

}  // namespace tenaz::sim
