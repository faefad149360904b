#pragma once

#include <cstring>
#include <exception>

// Does the work. Returns the text of an exception, for the caller to free; null where there was none.
template <class Work> static char *guarded(Work work) {
  try {
    work();
    return nullptr;
  } catch (const std::exception &error) {
    return strdup(error.what());
  }
}
