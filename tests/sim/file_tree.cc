#include "tests/sim/file_tree.h"

#include <algorithm>
#include <functional>
#include <set>
#include <unordered_map>

namespace tenaz::sim {
namespace {

void perform(std::string& content, const FileTree::Write& write) {
  if (write.truncates) return content.resize(static_cast<std::size_t>(write.offset));
  const auto end = static_cast<std::size_t>(write.offset) + write.bytes.size();
  if (content.size() < end) content.resize(end);
  content.replace(static_cast<std::size_t>(write.offset), write.bytes.size(), write.bytes);
}

void perform(FileTree::Names& names, const FileTree::Change& change) {
  for (const auto& [name, node] : change.names) {
    if (node)
      names.insert_or_assign(name, node);
    else
      names.erase(name);
  }
}

// None, all, the first ones, or any that do not stand on others that are lost.
std::vector<bool> choose(const std::vector<FileTree::Change>& changes, Random& random) {
  const std::size_t all = changes.size();
  std::vector<bool> found(all, false);
  if (all == 0) return found;
  const std::uint64_t how = random.below(4);
  const std::size_t first = how == 0 ? 0 : how == 1 ? all : random.below(all + 1);
  std::set<std::string, std::less<>> needed;
  for (std::size_t i = all; i-- > 0;) {
    found[i] = how < 3 ? i < first : random.chance(500);
    for (const auto& [name, node] : changes[i].names) found[i] = found[i] || needed.contains(name);
    if (!found[i]) continue;
    for (const auto& [name, node] : changes[i].names) needed.insert(name);
  }
  return found;
}

std::uint64_t hash_of(std::string_view bytes) {
  std::uint64_t h = 0xcbf29ce484222325u;
  for (const char c : bytes) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return mix(h);
}

std::uint64_t fingerprint_of(const FileTree::Node& node) {
  if (!node.directory) return mix(node.data.size() * 3 + 1);
  std::uint64_t h = 7;
  for (const auto& [name, child] : node.names) h = mix(h ^ hash_of(name)) + fingerprint_of(*child);
  return h;
}

}  // namespace

FileTree::FileTree() : root_(std::make_shared<Node>()) {
  root_->directory = true;
}

// --- names -----------------------------------------------------------------------------------------------------------

FileTree::NodePtr FileTree::find(std::string_view path) const {
  NodePtr node = root_;
  while (node && !path.empty()) {
    const std::size_t begin = path.find_first_not_of('/');
    if (begin == std::string_view::npos) return node;
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const auto found = node->names.find(path.substr(begin, end - begin));
    node = found == node->names.end() ? nullptr : found->second;
    path.remove_prefix(end);
  }
  return node;
}

FileTree::NodePtr FileTree::find_file(std::string_view path) const {
  NodePtr node = find(path);
  return node && !node->directory ? node : nullptr;
}

FileTree::NodePtr FileTree::find_directory(std::string_view path) const {
  NodePtr node = find(path);
  return node && node->directory ? node : nullptr;
}

FileTree::NodePtr FileTree::parent_of(std::string_view path, std::string& name) const {
  while (path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  name = path.substr(slash == std::string_view::npos ? 0 : slash + 1);
  if (name.empty()) return nullptr;
  return find_directory(slash == std::string_view::npos ? "" : path.substr(0, slash));
}

void FileTree::change(Node& directory, Change change) {
  step();
  perform(directory.names, change);
  directory.changes.push_back(std::move(change));
}

FileTree::NodePtr FileTree::create_file(std::string_view path) {
  std::string name;
  const NodePtr parent = parent_of(path, name);
  if (!parent) return nullptr;
  const auto file = std::make_shared<Node>();
  change(*parent, {{{name, file}}});
  return file;
}

bool FileTree::create_directory(std::string_view path) {
  if (find_directory(path)) return true;
  std::string name;
  const NodePtr parent = parent_of(path, name);
  if (!parent || parent->names.contains(name)) return false;
  const auto directory = std::make_shared<Node>();
  directory->directory = true;
  change(*parent, {{{name, directory}}});
  return true;
}

bool FileTree::remove(std::string_view path) {
  std::string name;
  const NodePtr parent = parent_of(path, name);
  const NodePtr node = find(path);
  if (!parent || !node) return false;
  if (node->directory) {
    while (!node->names.empty()) remove(std::string(path) + "/" + node->names.begin()->first);
  }
  change(*parent, {{{name, nullptr}}});
  return true;
}

bool FileTree::rename(std::string_view from, std::string_view to) {
  std::string old_name, new_name;
  const NodePtr parent = parent_of(from, old_name);
  const NodePtr node = find(from);
  if (!node || !parent || parent != parent_of(to, new_name)) return false;
  if (old_name != new_name) change(*parent, {{{old_name, nullptr}, {new_name, node}}});
  return true;
}

bool FileTree::link(std::string_view from, std::string_view to) {
  std::string name;
  const NodePtr parent = parent_of(to, name);
  const NodePtr node = find_file(from);
  if (!node || !parent || parent->names.contains(name)) return false;
  change(*parent, {{{name, node}}});
  return true;
}

// --- content ---------------------------------------------------------------------------------------------------------

void FileTree::write(Node& file, std::uint64_t offset, std::string_view bytes) {
  step();
  file.unsynced.push_back({offset, std::string(bytes), false});
  perform(file.data, file.unsynced.back());
}

void FileTree::truncate(Node& file, std::uint64_t size) {
  step();
  file.unsynced.push_back({size, {}, true});
  perform(file.data, file.unsynced.back());
}

bool FileTree::sync(Node& node) {
  step();
  if (lies_) return true;
  if (node.directory) {
    for (const Change& change : node.changes) perform(node.durable_names, change);
    node.changes.clear();
    return true;
  }
  if (std::exchange(sync_fails_, false)) return false;
  for (const Write& write : node.unsynced) perform(node.durable, write);
  node.unsynced.clear();
  return true;
}

// --- faults ----------------------------------------------------------------------------------------------------------

void FileTree::flip(Node& file, std::uint64_t offset) {
  const auto at = static_cast<std::size_t>(offset);
  for (std::string* content : {&file.data, &file.durable})
    if (at < content->size()) (*content)[at] = static_cast<char>((*content)[at] ^ 0x10);
}

FileTree FileTree::rebuilt(Random* random, bool all) const {
  FileTree tree;
  std::unordered_map<const Node*, NodePtr> done;
  const std::function<NodePtr(const Node&)> found = [&](const Node& node) -> NodePtr {
    if (const auto known = done.find(&node); known != done.end()) return known->second;
    const auto copy = std::make_shared<Node>();
    done.emplace(&node, copy);
    copy->directory = node.directory;
    if (!node.directory) {
      copy->durable = all ? node.data : node.durable;
      std::size_t whole = random && !node.unsynced.empty() ? random->below(node.unsynced.size() + 1) : 0;
      if (random && random->chance(300)) whole = node.unsynced.size();
      for (std::size_t i = 0; i < whole; ++i) perform(copy->durable, node.unsynced[i]);
      if (random && whole < node.unsynced.size() && random->chance(700)) {
        Write torn = node.unsynced[whole];
        torn.bytes.resize(random->below(torn.bytes.size() + 1));
        if (!torn.truncates) perform(copy->durable, torn);
      }
      copy->data = copy->durable;
      return copy;
    }
    Names names = all ? node.names : node.durable_names;
    if (random) {
      const std::vector<bool> chosen = choose(node.changes, *random);
      for (std::size_t i = 0; i < chosen.size(); ++i)
        if (chosen[i]) perform(names, node.changes[i]);
    }
    for (const auto& [name, child] : names) copy->durable_names.emplace(name, found(*child));
    copy->names = copy->durable_names;
    return copy;
  };
  tree.root_ = found(*root_);
  return tree;
}

FileTree FileTree::after_power_loss(Random& random) const {
  return rebuilt(&random, false);
}

FileTree FileTree::as_seen() const {
  return rebuilt(nullptr, true);
}

FileTree FileTree::durable() const {
  return rebuilt(nullptr, false);
}

void FileTree::lose_power_after(std::uint64_t steps, Random& random) {
  power_lost_at_ = steps_ + steps;
  loss_random_ = &random;
  found_.reset();
}

std::optional<FileTree> FileTree::found_after_power_loss() {
  power_lost_at_.reset();
  if (!found_) return std::nullopt;
  std::optional<FileTree> found(std::move(*found_));
  found_.reset();
  return found;
}

void FileTree::step() {
  if (power_lost_at_ == steps_++) {
    power_lost_at_.reset();
    found_ = std::make_unique<FileTree>(rebuilt(loss_random_, false));
  }
}

std::uint64_t FileTree::fingerprint() const {
  return fingerprint_of(*root_);
}

}  // namespace tenaz::sim
