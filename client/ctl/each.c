/* SPDX-License-Identifier: MIT */
#include "client/ctl/each.h"
#include "client/ctl/calls.h"
#include "client/ctl/object.h"
#include "client/ctl/output.h"
#include "client/ctl/progress.h"
#include "client/ctl/text.h"
#include "client/ctl/values.h"
#include "daemon/base/cleanup.h"

#include <errno.h>
#include <stdlib.h>

/* One word and its request. */
struct question {
    const char *word;
    json_t *params;
    json_t *entry; /* of the document */
    int64_t id;    /* 0: answered, or not sent */
    int status;
};

static void questions_done(struct question *questions, size_t count)
{
    for (size_t i = 0; questions && i < count; i++) {
        json_decref(questions[i].params);
        json_decref(questions[i].entry);
    }
    free(questions);
}

static int ask(struct ctl *ctl, const struct each *each, struct question *question, const char *word)
{
    struct connection_request request = {.method = each->method};
    json_t *subject = each->is_object ? object_name(word) : value_process(word);
    const char *member = each->is_object ? "name" : "process";

    question->word = word;
    question->status = CTL_TIMEOUT; /* until it is answered */
    question->params = each->params ? json_copy(each->params) : json_object();
    question->entry = json_pack("{s:O}", member, subject);
    json_object_set_new(question->params, member, subject);
    request.params = question->params;
    return connection_send(ctl->connection, &request, &question->id);
}

static int take_answer(struct ctl *ctl, const struct each *each, struct question *question,
                       const struct incoming *incoming)
{
    json_t *result = NULL, *error = NULL;
    CLEANUP_MEMORY char *text = NULL;

    question->id = 0;
    if (incoming_result(incoming, &result, &error) == 0) {
        json_object_update_missing(question->entry, result);
        question->status = each->answered ? each->answered(ctl, question->word, result) : CTL_OK;
        return 0;
    }
    if (!error)
        return -EPROTO;
    json_object_set(question->entry, "error", error);
    text = error_line(ctl, error, question->params);
    complain_escaped(ctl, text);
    question->status = error_status(ctl, error);
    return 0;
}

/* "worker", or "2 left" */
static void show(const struct progress *progress, const struct question *questions, size_t count, size_t left)
{
    CLEANUP_MEMORY char *text = text_format("%zu left", left);

    progress_show(progress, count == 1 ? questions[0].word : text);
}

/* The next message. As connection_receive. */
static int receive(struct ctl *ctl, const struct each *each, const struct progress *progress,
                   struct incoming *incoming)
{
    int64_t until = progress_due(progress, each->deadline);
    int error = connection_receive(ctl->connection, until, incoming);

    return error == -ETIMEDOUT && until < each->deadline ? -EAGAIN : error;
}

/* 0: all are answered; 1: the deadline has passed; -errno. */
static int collect(struct ctl *ctl, const struct each *each, struct question *questions, size_t count)
{
    struct progress progress = progress_begin(ctl);

    for (size_t left = count; left > 0;) {
        struct incoming incoming = {0};
        int error = receive(ctl, each, &progress, &incoming);

        if (error == -EAGAIN) {
            show(&progress, questions, count, left);
            continue;
        }
        progress_erase();
        for (size_t i = 0; error == 0 && i < count; i++) {
            if (questions[i].id == 0 || questions[i].id != incoming_id(&incoming))
                continue;
            error = take_answer(ctl, each, &questions[i], &incoming);
            left--;
            break;
        }
        incoming_done(&incoming);
        if (error < 0)
            return error == -ETIMEDOUT ? 1 : error;
    }
    return 0;
}

static int common_status(const struct question *questions, size_t count)
{
    int status = CTL_OK;

    if (count == 1)
        return questions[0].status;
    for (size_t i = 0; i < count; i++) {
        if (questions[i].status == CTL_TIMEOUT)
            return CTL_TIMEOUT;
        if (questions[i].status != CTL_OK)
            status = CTL_NEGATIVE;
    }
    return status;
}

static void print_results(const struct question *questions, size_t count)
{
    json_t *results = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append(results, questions[i].entry);
    print_document(json_pack("{s:o}", "results", results));
}

int each_word(struct ctl *ctl, struct each *each)
{
    size_t count = ctl->arguments.word_count;
    struct question *questions = NULL;
    int status = call_open(ctl), error = 0;

    if (status == 0) {
        questions = calloc(count, sizeof *questions);
        for (size_t i = 0; questions && i < count && error == 0; i++)
            error = ask(ctl, each, &questions[i], ctl->arguments.words[i]);
        if (!questions)
            error = -ENOMEM;
        if (error == 0)
            error = collect(ctl, each, questions, count);
        if (error < 0)
            status = report_connection(ctl, error);
        else
            status = common_status(questions, count);
        if (ctl->is_json && error >= 0)
            print_results(questions, count);
    }
    questions_done(questions, count);
    json_decref(each->params);
    return status;
}
