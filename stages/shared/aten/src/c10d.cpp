// Processes that exchange bytes: c10d, PyTorch's layer of process groups, over Gloo. An error comes back as its text,
// for the caller to free.

#include "guarded.h"

#include <cstdlib>

#include <ATen/ATen.h>
#include <torch/csrc/distributed/c10d/FileStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

using c10d::ProcessGroupGloo;

namespace {

struct Group {
  int ranks;
  std::chrono::milliseconds answer; // how long others may keep this rank waiting
  c10::intrusive_ptr<c10d::FileStore> store;
  c10::intrusive_ptr<ProcessGroupGloo> gloo; // from the time it is joined
};

std::string arrival(int rank) { return "arrived/" + std::to_string(rank); }

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1e3));
}

// Memory of the caller's as a tensor of bytes.
at::Tensor bytes(const void *at, int64_t n) { return at::from_blob(const_cast<void *>(at), {n}, at::kByte); }

// How this rank is reached: on one machine by its own address, across several as PyTorch's own processes are.
std::shared_ptr<::gloo::transport::Device> device(bool across) {
  if (!across)
    return ProcessGroupGloo::createDeviceForHostname("127.0.0.1");
  if (const char *interface = std::getenv("GLOO_SOCKET_IFNAME"))
    return ProcessGroupGloo::createDeviceForInterface(interface);
  return ProcessGroupGloo::createDefaultDevice();
}

} // namespace

extern "C" {

// Arrives as rank `rank` at the file where `ranks` processes meet.
char *igpt_group_arrive(const char *meeting, int rank, int ranks, Group **group) {
  return guarded([&] {
    auto arrived = std::make_unique<Group>();
    arrived->ranks = ranks;
    arrived->store = c10::make_intrusive<c10d::FileStore>(meeting, ranks);
    arrived->store->set(arrival(rank), {1});
    *group = arrived.release();
  });
}

// Whether rank `rank` has arrived.
char *igpt_group_has_arrived(Group *group, int rank, bool *arrived) {
  return guarded([&] { *arrived = group->store->check({arrival(rank)}); });
}

// Connects rank `rank` with all others. That may take so many seconds, and an exchange later on `answer` seconds.
char *igpt_group_join(Group *group, int rank, bool across, double meet, double answer) {
  return guarded([&] {
    group->store->setTimeout(milliseconds(meet));
    group->answer = milliseconds(answer);
    auto options = ProcessGroupGloo::Options::create(milliseconds(meet));
    options->devices.push_back(device(across));
    options->threads = 2;
    group->gloo = c10::make_intrusive<ProcessGroupGloo>(group->store, rank, group->ranks, options);
  });
}

// All ranks' n bytes, one after another, in the order of ranks.
char *igpt_group_all_gather(Group *group, const void *mine, int64_t n, void *all) {
  return guarded([&] {
    auto in = bytes(mine, n), out = bytes(all, n * group->ranks);
    c10d::AllgatherOptions options;
    options.timeout = group->answer;
    group->gloo->_allgather_base(out, in, options)->wait();
  });
}

// Gives each rank its part of `mine` and takes from each a part for this one; the lengths in bytes are by rank.
char *igpt_group_all_to_all(Group *group, const void *mine, const int64_t *given, void *all, const int64_t *taken) {
  return guarded([&] {
    std::vector<int64_t> in_lengths(given, given + group->ranks), out_lengths(taken, taken + group->ranks);
    auto sum = [](const std::vector<int64_t> &lengths) {
      int64_t sum = 0;
      for (auto length : lengths)
        sum += length;
      return sum;
    };
    auto in = bytes(mine, sum(in_lengths)), out = bytes(all, sum(out_lengths));
    c10d::AllToAllOptions options;
    options.timeout = group->answer;
    group->gloo->alltoall_base(out, in, out_lengths, in_lengths, options)->wait();
  });
}

// Replaces n bytes by those of rank 0.
char *igpt_group_broadcast(Group *group, void *both, int64_t n) {
  return guarded([&] {
    std::vector<at::Tensor> tensors{bytes(both, n)};
    c10d::BroadcastOptions options;
    options.rootRank = 0;
    options.timeout = group->answer;
    group->gloo->broadcast(tensors, options)->wait();
  });
}

void igpt_group_leave(Group *group) { delete group; }
}
