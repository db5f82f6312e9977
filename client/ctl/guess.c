/* SPDX-License-Identifier: MIT */
#include "client/ctl/guess.h"

#include <stdio.h>
#include <string.h>

struct guess {
    const char *word;
    size_t length;
    char *best;
    size_t distance;
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters must be changed, added, left out or swapped with their neighbour. */
static size_t distance(const char *one, size_t size, const char *other, size_t other_size)
{
    size_t row[3][GUESS_MAX + 1];

    for (size_t j = 0; j <= other_size; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= size; i++) {
        size_t *now = row[i % 3], *before = row[(i + 2) % 3], *first = row[(i + 1) % 3];

        now[0] = i;
        for (size_t j = 1; j <= other_size; j++) {
            now[j] = least(least(before[j], now[j - 1]) + 1, before[j - 1] + (one[i - 1] != other[j - 1]));
            if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1])
                now[j] = least(now[j], first[j - 2] + 1);
        }
    }
    return row[size % 3][other_size];
}

static void consider(struct guess *guess, const char *name, size_t length)
{
    size_t here;

    if (length >= GUESS_MAX || guess->length >= GUESS_MAX)
        return;
    here = distance(guess->word, guess->length, name, length);
    if (here >= guess->distance)
        return;
    guess->distance = here;
    snprintf(guess->best, GUESS_MAX, "%.*s", (int) length, name);
}

/* One letter wrong in short names, two in longer ones; more is another word. */
static size_t distance_limit(size_t length)
{
    return length < 4 ? 2 : 3;
}

static struct guess begin(const char *word, size_t length, char *best)
{
    best[0] = '\0';
    return (struct guess){word, length, best, distance_limit(length)};
}

bool guess_command(const char *word, char ret_name[GUESS_MAX])
{
    struct guess guess = begin(word, strlen(word), ret_name);

    for (size_t i = 0; i < command_count; i++) {
        const char *alias = commands[i].aliases;

        consider(&guess, commands[i].name, strcspn(commands[i].name, " "));
        for (size_t length; (length = strcspn(alias, " ")) > 0; alias += length + strspn(alias + length, " "))
            consider(&guess, alias, length);
    }
    return ret_name[0];
}

static void consider_option(struct guess *guess, enum option_id id)
{
    consider(guess, option_specs[id].word, strlen(option_specs[id].word));
}

bool guess_option(const struct command *command, const char *word, size_t length, char ret_name[GUESS_MAX])
{
    struct guess guess = begin(word, length, ret_name);

    for (size_t i = 0; command && command->options[i] != OPT_NONE; i++)
        consider_option(&guess, command->options[i]);
    for (enum option_id id = OPT_NONE + 1; id <= OPT_GLOBAL_LAST; id++)
        consider_option(&guess, id);
    return ret_name[0];
}

bool guess_name(const char *word, const char *const *names, size_t count, char ret_name[GUESS_MAX])
{
    struct guess guess = begin(word, strlen(word), ret_name);

    for (size_t i = 0; i < count; i++)
        consider(&guess, names[i], strlen(names[i]));
    return ret_name[0];
}
