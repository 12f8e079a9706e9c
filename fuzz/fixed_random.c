/* Preloaded into a fuzz target: hash maps get the same seeds in every run, so that they take the same branches. */
#include <string.h>
#include <sys/types.h>

ssize_t getrandom(void *buffer, size_t length, unsigned flags) {
  (void)flags;
  memset(buffer, 1, length);
  return (ssize_t)length;
}
