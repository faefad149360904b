// PyTorch's header of ProcessGroupGloo includes headers of gloo that its wheels do not ship. It keeps gloo's types
// behind pointers, so that their names are all it takes. Nothing of ours derives from them or calls into them.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gloo {

struct Context {
  void setTimeout(std::chrono::milliseconds);
};

namespace transport {
struct Device;
struct UnboundBuffer {
  virtual ~UnboundBuffer();
};
} // namespace transport

namespace rendezvous {
// The functions that c10d's own store for gloo overrides, in gloo's order.
struct Store {
  virtual ~Store();
  virtual void set(const std::string &key, const std::vector<char> &value) = 0;
  virtual std::vector<char> get(const std::string &key) = 0;
  virtual void wait(const std::vector<std::string> &keys) = 0;
  virtual void wait(const std::vector<std::string> &keys, const std::chrono::milliseconds &limit) = 0;
  virtual bool has_v2_support() = 0;
  virtual std::vector<std::vector<char>> multi_get(const std::vector<std::string> &keys) = 0;
  virtual void multi_set(const std::vector<std::string> &keys, const std::vector<std::vector<char>> &values) = 0;
  virtual void append(const std::string &key, const std::vector<char> &value) = 0;
  virtual int64_t add(const std::string &key, int64_t value) = 0;
};
} // namespace rendezvous

} // namespace gloo
