// Makes one call to the file system fail, or kills the process there. Loaded with LD_PRELOAD.
//
// Every interposed call on something at or below FAULT_ROOT counts, where FAULT_KIND can strike it:
//
//   ENOSPC      what takes room on the disk fails once, FULL from there on for good
//   EIO         any call fails once
//   EMFILE      what takes a descriptor fails once
//   SHORT       a read, write or copy does one byte (or part) of what was asked, which is no error
//   KILL        the process is killed before a call that changes something
//   KILL_AFTER  the process is killed after it; between two others a kill finds the same files
//
// FAULT_AT is the number of the call that is struck, from 1. FAULT_CONTROL is a file that is mapped
// by every process of the tree: `struct control`, read by the driver.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// What a call does; it says which kinds of fault can strike it.
enum trait { LOOKS = 0, CHANGES = 1, SPACE = 2, DESCRIPTOR = 4, LENGTH = 8 };

struct control {
    _Atomic unsigned long calls;
    _Atomic unsigned long struck;
    char what[4080];
};

static struct control *control;
static const char *root, *kind;
static unsigned long at;
static _Thread_local int doomed;

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("FAULT_CONTROL"), *number = getenv("FAULT_AT");
    root = getenv("FAULT_ROOT"), kind = getenv("FAULT_KIND");
    if (!file || !number || !root || !kind)
        return;
    at = strtoul(number, NULL, 10);
    int fd = syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    void *shared = (void *)syscall(SYS_mmap, 0, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (shared != MAP_FAILED)
        control = shared;
}

static int is(const char *name) { return strcmp(kind, name) == 0; }

// The path of a descriptor, without a call that is interposed.
static const char *path_of(int fd, char *buffer) {
    char name[64];
    snprintf(name, sizeof name, fd == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlinkat, AT_FDCWD, name, buffer, PATH_MAX - 1);
    buffer[length < 0 ? 0 : length] = 0;
    return buffer;
}

static const char *path_at(int folder, const char *path, char *buffer) {
    if (!path || path[0] == '/')
        return path;
    path_of(folder, buffer);
    size_t length = strlen(buffer);
    if (path[0])
        snprintf(buffer + length, PATH_MAX - length, "/%s", path);
    return buffer;
}

static int applies(unsigned traits) {
    if (is("ENOSPC") || is("FULL"))
        return traits & SPACE;
    if (is("EMFILE"))
        return traits & DESCRIPTOR;
    if (is("SHORT"))
        return traits & LENGTH;
    if (is("KILL") || is("KILL_AFTER"))
        return traits & CHANGES;
    return 1;
}

static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;)
        pause();
}

// Counts a call, and answers with what it is to fail: an error number, -1 to be short, 0 not at all.
static int strike(const char *call, const char *path, unsigned traits) {
    size_t length = control ? strlen(root) : 0;
    if (!length || !path || strncmp(path, root, length) || (path[length] && path[length] != '/'))
        return 0;
    if (!applies(traits))
        return 0;
    unsigned long number = atomic_fetch_add(&control->calls, 1) + 1;
    if (number != at && !(is("FULL") && at && number > at))
        return 0;
    if (atomic_fetch_add(&control->struck, 1) == 0)
        snprintf(control->what, sizeof control->what, "%s %s", call, path);
    if (is("KILL"))
        die();
    if (is("KILL_AFTER"))
        doomed = 1;
    if (is("SHORT"))
        return -1;
    return is("EIO") ? EIO : is("EMFILE") ? EMFILE : is("ENOSPC") || is("FULL") ? ENOSPC : 0;
}

static void after(void) {
    if (doomed)
        die();
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define POINT(path, traits, failed, call)                                                                    \
    do {                                                                                                     \
        int fault = strike(__func__, path, traits);                                                          \
        if (fault > 0)                                                                                       \
            return errno = fault, failed;                                                                    \
        __typeof__(call) result = (call);                                                                    \
        after();                                                                                             \
        return result;                                                                                       \
    } while (0)

#define AT(folder, path) path_at(folder, path, (char[PATH_MAX]){0})
#define HERE(path) AT(AT_FDCWD, path)
#define OF(fd) path_of(fd, (char[PATH_MAX]){0})

// Opening.

static unsigned opening(int flags) {
    return DESCRIPTOR | (flags & O_CREAT ? CHANGES | SPACE : flags & O_TRUNC ? CHANGES : LOOKS);
}

static mode_t mode_of(int flags, va_list list) {
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(list, mode_t) : 0;
}

#define MODE(flags)                                                                                          \
    va_list list;                                                                                            \
    va_start(list, flags);                                                                                   \
    mode_t mode = mode_of(flags, list);                                                                      \
    va_end(list)

#define OPEN(name)                                                                                           \
    int name(const char *path, int flags, ...) {                                                             \
        MODE(flags);                                                                                         \
        POINT(HERE(path), opening(flags), -1, REAL(name)(path, flags, mode));                                \
    }
#define OPENAT(name)                                                                                         \
    int name(int folder, const char *path, int flags, ...) {                                                 \
        MODE(flags);                                                                                         \
        POINT(AT(folder, path), opening(flags), -1, REAL(name)(folder, path, flags, mode));                  \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int creat(const char *path, mode_t mode) {
    POINT(HERE(path), CHANGES | SPACE | DESCRIPTOR, -1, REAL(creat)(path, mode));
}
DIR *opendir(const char *path) { POINT(HERE(path), DESCRIPTOR, NULL, REAL(opendir)(path)); }
DIR *fdopendir(int fd) { POINT(OF(fd), LOOKS, NULL, REAL(fdopendir)(fd)); }

// Reading and writing.

#define LESS(name, traits, fd, length, ...)                                                                \
    do {                                                                                                     \
        int fault = strike(#name, OF(fd), traits | (length > 1 ? LENGTH : 0));                               \
        if (fault > 0)                                                                                       \
            return errno = fault, -1;                                                                        \
        if (fault < 0)                                                                                       \
            length = 1;                                                                                      \
        ssize_t result = REAL(name)(__VA_ARGS__);                                                            \
        after();                                                                                             \
        return result;                                                                                       \
    } while (0)

ssize_t read(int fd, void *to, size_t length) { LESS(read, LOOKS, fd, length, fd, to, length); }
ssize_t write(int fd, const void *from, size_t length) {
    LESS(write, CHANGES | SPACE, fd, length, fd, from, length);
}
#define PREAD(name, offset_t)                                                                                \
    ssize_t name(int fd, void *to, size_t length, offset_t offset) {                                         \
        LESS(name, LOOKS, fd, length, fd, to, length, offset);                                             \
    }
#define PWRITE(name, offset_t)                                                                               \
    ssize_t name(int fd, const void *from, size_t length, offset_t offset) {                                 \
        LESS(name, CHANGES | SPACE, fd, length, fd, from, length, offset);                                 \
    }
PREAD(pread, off_t)
PREAD(pread64, off64_t)
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t readv(int fd, const struct iovec *parts, int count) {
    LESS(readv, LOOKS, fd, count, fd, parts, count);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
    LESS(writev, CHANGES | SPACE, fd, count, fd, parts, count);
}
ssize_t copy_file_range(int from, off64_t *at_from, int to, off64_t *at_to, size_t length, unsigned flags) {
    LESS(copy_file_range, CHANGES | SPACE, to, length, from, at_from, to, at_to, length, flags);
}
ssize_t sendfile(int to, int from, off_t *offset, size_t length) {
    LESS(sendfile, CHANGES | SPACE, to, length, to, from, offset, length);
}
ssize_t sendfile64(int to, int from, off64_t *offset, size_t length) {
    LESS(sendfile64, CHANGES | SPACE, to, length, to, from, offset, length);
}
int ftruncate(int fd, off_t length) { POINT(OF(fd), CHANGES | SPACE, -1, REAL(ftruncate)(fd, length)); }
int ftruncate64(int fd, off64_t length) { POINT(OF(fd), CHANGES | SPACE, -1, REAL(ftruncate64)(fd, length)); }
int fsync(int fd) { POINT(OF(fd), CHANGES | SPACE, -1, REAL(fsync)(fd)); }
int sync_file_range(int fd, off64_t from, off64_t length, unsigned flags) {
    POINT(OF(fd), CHANGES | SPACE, -1, REAL(sync_file_range)(fd, from, length, flags));
}
int fdatasync(int fd) { POINT(OF(fd), CHANGES | SPACE, -1, REAL(fdatasync)(fd)); }

int ioctl(int fd, unsigned long request, ...) {
    va_list list;
    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);
    if (request != FICLONE)
        return REAL(ioctl)(fd, request, argument);
    POINT(OF(fd), CHANGES | SPACE, -1, REAL(ioctl)(fd, request, argument));
}

#define FCNTL(name)                                                                                          \
    int name(int fd, int command, ...) {                                                                     \
        va_list list;                                                                                        \
        va_start(list, command);                                                                             \
        void *argument = va_arg(list, void *);                                                               \
        va_end(list);                                                                                        \
        if (command != F_DUPFD_CLOEXEC && command != F_DUPFD)                                                \
            return REAL(name)(fd, command, argument);                                                        \
        POINT(OF(fd), DESCRIPTOR, -1, REAL(name)(fd, command, argument));                                    \
    }
FCNTL(fcntl)
FCNTL(fcntl64)

#define MMAP(name, offset_t)                                                                                 \
    void *name(void *start, size_t length, int protection, int flags, int fd, offset_t offset) {             \
        if (fd < 0)                                                                                          \
            return (void *)syscall(SYS_mmap, start, length, protection, flags, fd, offset);                  \
        POINT(OF(fd), LOOKS, MAP_FAILED,                                                                     \
              (void *)syscall(SYS_mmap, start, length, protection, flags, fd, offset));                      \
    }
MMAP(mmap, off_t)
MMAP(mmap64, off64_t)

// Names.

int rename(const char *from, const char *to) {
    POINT(HERE(to), CHANGES | SPACE, -1, REAL(rename)(from, to));
}
int renameat(int a, const char *from, int b, const char *to) {
    POINT(AT(b, to), CHANGES | SPACE, -1, REAL(renameat)(a, from, b, to));
}
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
    POINT(AT(b, to), CHANGES | SPACE, -1, REAL(renameat2)(a, from, b, to, flags));
}
int unlink(const char *path) { POINT(HERE(path), CHANGES, -1, REAL(unlink)(path)); }
int unlinkat(int folder, const char *path, int flags) {
    POINT(AT(folder, path), CHANGES, -1, REAL(unlinkat)(folder, path, flags));
}
int rmdir(const char *path) { POINT(HERE(path), CHANGES, -1, REAL(rmdir)(path)); }
int mkdir(const char *path, mode_t mode) { POINT(HERE(path), CHANGES | SPACE, -1, REAL(mkdir)(path, mode)); }
int mkdirat(int folder, const char *path, mode_t mode) {
    POINT(AT(folder, path), CHANGES | SPACE, -1, REAL(mkdirat)(folder, path, mode));
}
int link(const char *from, const char *to) { POINT(HERE(to), CHANGES | SPACE, -1, REAL(link)(from, to)); }
int linkat(int a, const char *from, int b, const char *to, int flags) {
    POINT(AT(b, to), CHANGES | SPACE, -1, REAL(linkat)(a, from, b, to, flags));
}
int symlink(const char *target, const char *path) {
    POINT(HERE(path), CHANGES | SPACE, -1, REAL(symlink)(target, path));
}
int symlinkat(const char *target, int folder, const char *path) {
    POINT(AT(folder, path), CHANGES | SPACE, -1, REAL(symlinkat)(target, folder, path));
}

// Looking, and what is looked at.

int chmod(const char *path, mode_t mode) { POINT(HERE(path), CHANGES, -1, REAL(chmod)(path, mode)); }
int fchmod(int fd, mode_t mode) { POINT(OF(fd), CHANGES, -1, REAL(fchmod)(fd, mode)); }
int futimens(int fd, const struct timespec times[2]) { POINT(OF(fd), CHANGES, -1, REAL(futimens)(fd, times)); }
int utimensat(int folder, const char *path, const struct timespec times[2], int flags) {
    POINT(AT(folder, path), CHANGES, -1, REAL(utimensat)(folder, path, times, flags));
}
int flock(int fd, int operation) { POINT(OF(fd), LOOKS, -1, REAL(flock)(fd, operation)); }
ssize_t readlink(const char *path, char *to, size_t size) {
    POINT(HERE(path), LOOKS, -1, REAL(readlink)(path, to, size));
}
ssize_t readlinkat(int folder, const char *path, char *to, size_t size) {
    POINT(AT(folder, path), LOOKS, -1, REAL(readlinkat)(folder, path, to, size));
}
char *realpath(const char *path, char *to) { POINT(HERE(path), LOOKS, NULL, REAL(realpath)(path, to)); }
struct dirent *readdir(DIR *folder) { POINT(OF(dirfd(folder)), LOOKS, NULL, REAL(readdir)(folder)); }
struct dirent64 *readdir64(DIR *folder) { POINT(OF(dirfd(folder)), LOOKS, NULL, REAL(readdir64)(folder)); }

#define STAT(name, type)                                                                                     \
    int name(const char *path, struct type *to) { POINT(HERE(path), LOOKS, -1, REAL(name)(path, to)); }
STAT(stat, stat)
STAT(lstat, stat)
STAT(stat64, stat64)
STAT(lstat64, stat64)
int fstat(int fd, struct stat *to) { POINT(OF(fd), LOOKS, -1, REAL(fstat)(fd, to)); }
int fstat64(int fd, struct stat64 *to) { POINT(OF(fd), LOOKS, -1, REAL(fstat64)(fd, to)); }
int fstatat(int folder, const char *path, struct stat *to, int flags) {
    POINT(AT(folder, path), LOOKS, -1, REAL(fstatat)(folder, path, to, flags));
}
int fstatat64(int folder, const char *path, struct stat64 *to, int flags) {
    POINT(AT(folder, path), LOOKS, -1, REAL(fstatat64)(folder, path, to, flags));
}
int statx(int folder, const char *path, int flags, unsigned mask, struct statx *to) {
    POINT(AT(folder, path), LOOKS, -1, REAL(statx)(folder, path, flags, mask, to));
}

// Processes: a child counts wherever its program is, and gets the number of the error as its answer.

#define SPAWN(name)                                                                                          \
    int name(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,                        \
             const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[]) {      \
        int fault = strike(#name, root, CHANGES | DESCRIPTOR);                                               \
        if (fault > 0)                                                                                       \
            return fault;                                                                                    \
        int result = REAL(name)(pid, path, actions, attributes, arguments, environment);                     \
        after();                                                                                             \
        return result;                                                                                       \
    }
SPAWN(posix_spawn)
SPAWN(posix_spawnp)
pid_t fork(void) { POINT(root, CHANGES, -1, REAL(fork)()); }
