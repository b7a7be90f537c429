/*
 * A disk that forgets: preloaded into the program under test, this notes what the program synced, so that a test can
 * take away all the rest after it has killed the program, as a power cut would (power.rs does that).
 *
 * It changes nothing of what the program sees. Only fsync and fdatasync are taken over: when the program syncs a file
 * or a folder under UNSYNCED_WATCH, what it holds at that moment is copied to UNSYNCED_NOTES, a folder on the same
 * file system, and is what "the disk has" from then on. By inode number N:
 *
 *   N.file   the bytes of a file as they were when it was last synced
 *   N.list   the entries of a folder when it was last synced: a line "INODE f|d NAME" for each
 *   N.pin    a hard link to the file: its number cannot be given to another, and the test finds the bytes that were
 *            written last even where the name has gone
 *
 * So what was written and not synced, a file whose folder was not synced since it was made, and the removal of a file
 * whose folder was not synced since, are known by what is not in the notes. What is under UNSYNCED_WATCH when there are
 * no notes yet counts as synced.
 *
 * UNSYNCED_SYNC_US  a sync takes up to so many microseconds before anything is noted: what the program tells the world
 *                   too early, it tells then.
 * UNSYNCED_DEAF     "files" or "folders": their syncs are answered and not noted, as if the program had left them out.
 *
 * What the program syncs in another way (O_SYNC, syncfs, msync) is not noted, and would be reported as lost.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1 << 16 };

static const char *watch, *notes, *deaf;
static unsigned sync_us, turn;
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

/* The notes are the test's only witness: where they cannot be kept, the program must not go on. */
static void fail(const char *what) {
    fprintf(stderr, "unsynced.so: %s: %s\n", what, strerror(errno));
    abort();
}

static void note_path(char *to, ino_t inode, const char *kind) {
    snprintf(to, PATH_MAX, "%s/%lu.%s", notes, (unsigned long)inode, kind);
}

static size_t read_piece(int fd, char *to, off_t at) {
    size_t got = 0;
    while (got < PIECE) {
        ssize_t n = pread(fd, to + got, PIECE - got, at + (off_t)got);
        if (n < 0) fail("read");
        if (n == 0) break;
        got += (size_t)n;
    }
    return got;
}

static void pin(int dir, const char *name, ino_t inode) {
    char path[PATH_MAX];
    note_path(path, inode, "pin");
    /* A file that went between being listed and now is not there to be pinned. */
    if (linkat(dir, name, AT_FDCWD, path, AT_SYMLINK_FOLLOW) != 0 && errno != EEXIST && errno != ENOENT) fail(path);
}

/* Copies what differs. A kill in the middle leaves a mixture of before and now, as a disk does. */
static void note_file(int fd, ino_t inode) {
    static char now[PIECE], before[PIECE];
    char path[PATH_MAX];
    note_path(path, inode, "file");
    int note = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (note < 0) fail(path);
    off_t at = 0;
    for (;;) {
        size_t n = read_piece(fd, now, at);
        if (n > 0 && (read_piece(note, before, at) < n || memcmp(now, before, n) != 0))
            if (pwrite(note, now, n, at) != (ssize_t)n) fail(path);
        at += (off_t)n;
        if (n < PIECE) break;
    }
    if (ftruncate(note, at) != 0) fail(path);
    close(note);
}

static void note_folder(int fd, ino_t inode) {
    char path[PATH_MAX], half[PATH_MAX + 8];
    note_path(path, inode, "list");
    snprintf(half, sizeof half, "%s.half", path);
    FILE *list = fopen(half, "we");
    int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = again < 0 ? NULL : fdopendir(again);
    if (!list || !dir) fail(half);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        struct stat is;
        if (fstatat(fd, entry->d_name, &is, AT_SYMLINK_NOFOLLOW) != 0) continue;
        if (S_ISREG(is.st_mode)) pin(fd, entry->d_name, is.st_ino);
        fprintf(list, "%lu %c %s\n", (unsigned long)is.st_ino, S_ISDIR(is.st_mode) ? 'd' : 'f', entry->d_name);
    }
    closedir(dir);
    if (fclose(list) != 0 || rename(half, path) != 0) fail(path);
}

/* Where `fd` is: under the folder that is watched, or not (then 0). */
static int is_watched(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    size_t root = strlen(watch);
    return len >= (ssize_t)root && !strncmp(path, watch, root) && (path[len] = 0, !path[root] || path[root] == '/');
}

static void note(int fd) {
    struct stat is;
    if (fstat(fd, &is) != 0) fail("fstat");
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    /* What was opened for writing only is read through a descriptor of our own. */
    int again = open(link, O_RDONLY | O_CLOEXEC);
    if (again < 0) fail(link);
    if (S_ISDIR(is.st_mode)) {
        note_folder(again, is.st_ino);
    } else {
        if (is.st_nlink > 0) pin(AT_FDCWD, link, is.st_ino);
        note_file(again, is.st_ino);
    }
    close(again);
}

/* The root's list comes last: until it is there, there are no notes. */
static void note_tree(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) fail(path);
    int again = dup(fd);
    DIR *dir = fdopendir(again);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char below[PATH_MAX];
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (snprintf(below, sizeof below, "%s/%s", path, entry->d_name) < PATH_MAX) note_tree(below);
    }
    if (dir) closedir(dir); else close(again);
    note(fd);
    close(fd);
}

__attribute__((constructor)) static void begin(void) {
    char path[PATH_MAX];
    struct stat is;
    watch = getenv("UNSYNCED_WATCH");
    notes = getenv("UNSYNCED_NOTES");
    deaf = getenv("UNSYNCED_DEAF");
    const char *us = getenv("UNSYNCED_SYNC_US");
    if (!watch || !notes) { errno = EINVAL; fail("UNSYNCED_WATCH and UNSYNCED_NOTES"); }
    if (!deaf) deaf = "";
    sync_us = us ? (unsigned)atoi(us) : 0;
    if (stat(watch, &is) != 0) fail(watch);
    note_path(path, is.st_ino, "list");
    if (access(path, F_OK) != 0) note_tree(watch);
}

static int synced(int fd) {
    struct stat is;
    if (fstat(fd, &is) != 0) return -1;
    if (!is_watched(fd)) return 0;
    pthread_mutex_lock(&one_at_a_time);
    turn = turn * 1103515245u + 12345u;
    if (sync_us > 0) usleep((turn >> 8) % sync_us);
    if (strcmp(deaf, S_ISDIR(is.st_mode) ? "folders" : "files") != 0) note(fd);
    pthread_mutex_unlock(&one_at_a_time);
    return 0;
}

/* The real sync is left out: nobody cuts the power of the machine that runs the tests. */
int fsync(int fd) { return synced(fd); }
int fdatasync(int fd) { return synced(fd); }
