// tenazctl members, member add|promote|remove, settings.
#include "client/tenazctl/commands.h"
#include "client/tenazctl/table.h"

namespace tenaz::client {

namespace {

constexpr const char* kChange = "change";

std::string node(std::uint64_t id) {
  return "node " + std::to_string(id);
}

std::string next_step(const Member& member) {
  if (member.role != "learner") return "";
  if (member.replaces != 0) return (member.promote ? "replaces " : "can replace ") + std::to_string(member.replaces);
  return member.promote ? "voter when caught up" : "stays until promoted";
}

std::string table_of(const MemberList& list) {
  std::vector<std::vector<std::string>> rows = {{"ID", "NAME", "PEER", "CLIENT", "ROLE", "NEXT"}};
  for (const Member& member : list.members) {
    rows.push_back({std::to_string(member.id), printable(member.name), printable(member.peer), printable(member.client),
                    printable(member.role), next_step(member)});
  }
  std::string text = table(rows);
  if (list.joint) text += "a change of the voters is under way\n";
  return text;
}

int show(const MemberList& list, const Arguments& arguments) {
  return arguments.output == Output::json ? print_line(list.json) : print(table_of(list));
}

}  // namespace

int members(Client& client, const Arguments& arguments) {
  const auto list = client.members(arguments.read.consistency);
  if (!list) return complain(list.error());
  return show(*list, arguments);
}

int add_member(Client& client, const Arguments& arguments) {
  const auto added = client.add_member(arguments.member);
  if (!added) return complain(added.error(), kChange);
  if (arguments.output == Output::json) return print_line(added->json);
  const Member& member = added->member;
  const std::string text = node(member.id) + " was added as a " + member.role;
  if (member.role != "learner") return print_line(text);
  if (!member.promote) return print_line(text + "; it does not vote until it is promoted");
  if (member.replaces == 0) return print_line(text + "; it becomes a voter once it has caught up");
  return print_line(text + "; it takes the place of " + node(member.replaces) + " once it has caught up");
}

int promote_member(Client& client, const Arguments& arguments) {
  const auto promoted = client.promote_member(arguments.member.id);
  if (!promoted) return complain(promoted.error(), kChange);
  if (arguments.output == Output::json) return print_line(promoted->json);
  return print_line(node(promoted->member.id) + " is a " + promoted->member.role);
}

int remove_member(Client& client, const Arguments& arguments) {
  const auto list = client.remove_member(arguments.member.id);
  if (!list) return complain(list.error(), kChange);
  if (arguments.output == Output::json) return print_line(list->json);
  return print_line(node(arguments.member.id) + " was removed; these remain:") == kDone ? show(*list, arguments)
                                                                                        : kRefused;
}

int settings(Client& client, const Arguments& arguments) {
  const auto result = arguments.lease_reads ? client.set_lease_reads(*arguments.lease_reads) : client.settings();
  if (!result) return complain(result.error(), kChange);
  if (arguments.output == Output::json) return print_line(result->json);
  return print_line(std::string("lease-reads  ") + (result->lease_reads ? "on" : "off"));
}

}  // namespace tenaz::client
