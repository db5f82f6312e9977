/* SPDX-License-Identifier: MIT */
#include "daemon/core/internal.h"

#include <stdlib.h>

static const struct {
    const char *name;
    int64_t limit;
} quotas[] = {
#define X(identifier, name, value) {name, value},
    CORE_QUOTAS(X)
#undef X
};

const char *quota_name(enum core_quota quota)
{
    return quotas[quota].name;
}

int64_t quota_limit(enum core_quota quota, uint32_t uid)
{
    return quotas[quota].limit + (uid == 0 ? QUOTA_ROOT_RESERVE : 0);
}

struct account *core_account(const struct core *core, uint32_t uid)
{
    struct account *account;

    HASH_FIND(hh, core->accounts, &uid, sizeof uid, account);
    return account;
}

struct account *account_get(struct core *core, uint32_t uid)
{
    struct account *account = core_account(core, uid);

    if (account)
        return account;
    account = calloc(1, sizeof *account);
    if (!account)
        return NULL;
    account->uid = uid;
    TAILQ_INIT(&account->ended_list);
    HASH_ADD(hh, core->accounts, uid, sizeof account->uid, account);
    if (!account->hh.tbl) {
        free(account);
        return NULL;
    }
    return account;
}

void account_trim(struct core *core, struct account *account)
{
    if (account->clients > 0 || account->ended > 0 || account->words)
        return;
    for (int quota = 0; quota < QUOTA_COUNT; quota++)
        if (account->used[quota] != 0)
            return;
    HASH_DEL(core->accounts, account);
    free(account);
}

bool quota_full(const struct account *account, enum core_quota quota)
{
    return account->used[quota] >= quota_limit(quota, account->uid);
}

bool quota_exceeded(const struct account *account, enum core_quota quota)
{
    return account->used[quota] > quota_limit(quota, account->uid);
}

void quota_charge(struct account *account, enum core_quota quota)
{
    account->used[quota]++;
}

void quota_release(struct account *account, enum core_quota quota)
{
    account->used[quota]--;
}
