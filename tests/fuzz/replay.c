/* SPDX-License-Identifier: MIT */
/*
 * A target over the files of its corpus, in the place of libFuzzer's main:
 *     fuzz_TARGET              all of them
 *     fuzz_TARGET FILE...      these, such as a crash that `make fuzz` has left
 */
#include "daemon/base/cleanup.h"
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

/* The bytes are in memory of exactly their size: a sanitizer sees each step beyond. */
static int replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat st;
    uint8_t *data;
    int r = 1;

    if (!file || fstat(fileno(file), &st) < 0 || !(data = malloc(st.st_size ? (size_t) st.st_size : 1))) {
        perror(path);
        if (file)
            fclose(file);
        return 1;
    }
    printf("%s\n", path); /* the last one is the one that failed */
    fflush(stdout);
    if (fread(data, 1, (size_t) st.st_size, file) == (size_t) st.st_size)
        r = LLVMFuzzerTestOneInput(data, (size_t) st.st_size);
    free(data);
    fclose(file);
    return r != 0;
}

static int no_dots(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* In one order everywhere: a target may keep something from one input to the next. */
static int replay_folder(const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, no_dots, alphasort), failed = 0;
    char path[8192];

    if (count <= 0) {
        fprintf(stderr, "%s: no corpus\n", folder);
        return 1;
    }
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        failed |= replay(path);
        free(entries[i]);
    }
    free(entries);
    return failed;
}

int main(int argc, char **argv)
{
    const char *top = getenv("TOP_SRCDIR");
    char folder[4096];
    int failed = 0;

    for (int i = 1; i < argc; i++)
        failed |= replay(argv[i]);
    if (argc > 1)
        return failed;
    snprintf(folder, sizeof folder, "%s/tests/fuzz/corpus/%s", top ? top : ".", fuzz_target);
    return replay_folder(folder);
}
