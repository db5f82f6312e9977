/* SPDX-License-Identifier: MIT */
#include "client/ctl/screen.h"

#include "daemon/base/cleanup.h"

#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#define KEY_CTRL(letter) ((letter) & 0x1f)
#define ESCAPE           0x1b
#define SIZE_MOST        1000 /* rows, and columns */

static SCREEN *screen;
static volatile sig_atomic_t is_resized;

enum { PAIR_RED = 1, PAIR_GREEN, PAIR_YELLOW };

static const struct {
    const char *name;
    short pair, color;
} colors[] = {
    {"red", PAIR_RED, COLOR_RED},
    {"green", PAIR_GREEN, COLOR_GREEN},
    {"yellow", PAIR_YELLOW, COLOR_YELLOW},
};

static void on_resize(int unused)
{
    (void) unused;
    is_resized = 1;
}

/* Any number may be told as a size, and curses counts in shorts. */
static int within(int size)
{
    return size < 1 ? 1 : size < SIZE_MOST ? size : SIZE_MOST;
}

/* Curses does the same by itself, but for the limits. */
static void take_size(void)
{
    struct winsize size;

    is_resized = 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0)
        resizeterm(within(size.ws_row), within(size.ws_col));
}

bool screen_open(bool has_color)
{
    struct sigaction resize = {.sa_handler = on_resize};

    sigaction(SIGWINCH, &resize, NULL);
    use_env(FALSE);
    screen = newterm(NULL, stdout, stdin);
    if (!screen)
        return false;
    take_size();
    raw(); /* ^C and ^Z come as keys: the terminal is given back first */
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    set_escdelay(50);
    curs_set(0);
    if (has_color && has_colors()) {
        start_color();
        use_default_colors();
        for (size_t i = 0; i < sizeof colors / sizeof *colors; i++)
            init_pair(colors[i].pair, colors[i].color, -1);
    }
    return true;
}

void screen_close(void)
{
    endwin();
    delscreen(screen);
    screen = NULL;
}

int screen_height(void)
{
    return LINES;
}

void screen_clear(void)
{
    erase();
}

void screen_show(void)
{
    refresh();
}

/* ---- keys ---- */

static void suspend(void)
{
    def_prog_mode();
    endwin();
    raise(SIGTSTP);
    reset_prog_mode();
    clearok(stdscr, TRUE);
}

int screen_key(int milliseconds)
{
    static const struct {
        int key, is;
    } keys[] = {
        {KEY_UP, SCREEN_UP},       {KEY_DOWN, SCREEN_DOWN},   {KEY_PPAGE, SCREEN_PAGE_UP},
        {KEY_HOME, SCREEN_HOME},   {KEY_END, SCREEN_END},     {KEY_NPAGE, SCREEN_PAGE_DOWN},
        {ESCAPE, SCREEN_ESCAPE},   {KEY_ENTER, '\n'},         {'\r', '\n'},
        {KEY_BACKSPACE, '\b'},     {0x7f, '\b'},              {KEY_CTRL('c'), SCREEN_INTERRUPT},
        {KEY_RESIZE, SCREEN_NOTHING}, {ERR, SCREEN_NOTHING},
    };
    int key;

    timeout(milliseconds);
    key = getch();
    if (is_resized) {
        take_size();
        return SCREEN_NOTHING;
    }
    if (key == KEY_CTRL('z')) {
        suspend();
        return SCREEN_NOTHING;
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (keys[i].key == key)
            return keys[i].is;
    return key;
}

/* ---- text ---- */

/* As much of it as fits into `width` columns. What the locale cannot show is shown as "?". */
static void put(const char *text, int width, bool right)
{
    size_t size = strlen(text) + 1;
    CLEANUP_MEMORY wchar_t *wide = calloc(size, sizeof *wide);
    int used = 0, length = 0, y, x;

    getyx(stdscr, y, x);
    for (mbstate_t state = {0}; wide && *text; length++) {
        size_t got = mbrtowc(&wide[length], text, MB_CUR_MAX, &state);
        int columns;

        if (got == (size_t) -1 || got == (size_t) -2) {
            wide[length] = L'?';
            state = (mbstate_t) {0};
            got = 1;
        }
        columns = wcwidth(wide[length]);
        if (columns < 0)
            wide[length] = L'?';
        if (used + (columns < 0 ? 1 : columns) > width)
            break;
        used += columns < 0 ? 1 : columns;
        text += got;
    }
    if (wide)
        mvaddnwstr(y, x + (right ? width - used : 0), wide, length);
}

static int width_of(const char *text)
{
    size_t size = strlen(text) + 1;
    CLEANUP_MEMORY wchar_t *wide = calloc(size, sizeof *wide);
    size_t length = wide ? mbstowcs(wide, text, size) : (size_t) -1;
    int width = length == (size_t) -1 ? -1 : wcswidth(wide, length);

    return width < 0 ? (int) size - 1 : width;
}

void screen_line(int at, const char *text, bool is_bar)
{
    if (is_bar)
        attron(A_REVERSE);
    mvhline(at, 0, ' ', COLS);
    move(at, 0);
    put(text, COLS, false);
    attroff(A_REVERSE);
}

/* ---- tables ---- */

static void measure(const struct screen_table *table, int *widths)
{
    for (size_t column = 0; column < table->column_count; column++) {
        widths[column] = width_of(table->columns[column].name);
        for (size_t line = 0; line < table->line_count; line++) {
            int width = width_of(table->cells[line * table->column_count + column]);

            if (width > widths[column])
                widths[column] = width;
        }
    }
}

static int pair_of(const char *color)
{
    for (size_t i = 0; color && i < sizeof colors / sizeof *colors; i++)
        if (strcmp(colors[i].name, color) == 0)
            return COLOR_PAIR(colors[i].pair);
    return 0;
}

/* A line of cells, the header's or another. */
static void put_cells(const struct screen_table *table, const int *widths, int at, char *const *cells,
                      const char *color)
{
    int x = 0;

    for (size_t column = 0; column < table->column_count && x < COLS; column++) {
        const struct table_column *of = &table->columns[column];
        int room = COLS - x, width = widths[column] < room ? widths[column] : room;
        int pair = cells && column == table->colored ? pair_of(color) : 0;

        attron(pair);
        move(at, x);
        put(cells ? cells[column] : of->name, width, of->flags & SCOLS_FL_RIGHT);
        attroff(pair);
        x += widths[column] + 1;
    }
}

static void keep_chosen(struct screen_table *table, size_t room)
{
    size_t last = table->line_count > room ? table->line_count - room : 0;

    if (table->chosen < table->line_count && table->chosen < table->first)
        table->first = table->chosen;
    if (table->chosen < table->line_count && table->chosen >= table->first + room)
        table->first = table->chosen - room + 1;
    if (table->first > last)
        table->first = last;
}

void screen_table(struct screen_table *table, int at, int height, bool is_active)
{
    CLEANUP_MEMORY int *widths = calloc(table->column_count, sizeof *widths);
    size_t room = height > 1 ? (size_t) height - 1 : 0;

    if (!widths || height < 1)
        return;
    measure(table, widths);
    attron(A_BOLD | (is_active ? A_REVERSE : A_UNDERLINE));
    mvhline(at, 0, ' ', COLS);
    put_cells(table, widths, at, NULL, NULL);
    attroff(A_BOLD | A_REVERSE | A_UNDERLINE);
    keep_chosen(table, room);
    for (size_t i = 0; i < room && table->first + i < table->line_count; i++) {
        size_t line = table->first + i;
        bool is_chosen = is_active && line == table->chosen;

        if (is_chosen)
            attron(A_STANDOUT);
        mvhline(at + 1 + (int) i, 0, ' ', COLS);
        put_cells(table, widths, at + 1 + (int) i, &table->cells[line * table->column_count],
                  table->colors[line]);
        attroff(A_STANDOUT);
    }
}

/* ---- questions ---- */

bool screen_ask(const char *question, char *answer, size_t size)
{
    size_t length = 0;

    for (;;) {
        int key;

        answer[length] = '\0';
        screen_line(LINES - 1, question, false);
        addstr(answer);
        curs_set(1);
        refresh();
        key = screen_key(-1);
        curs_set(0);
        if (key == '\n')
            return true;
        if (key == SCREEN_ESCAPE || key == SCREEN_INTERRUPT)
            return false;
        if (key == '\b' && length > 0)
            length--;
        else if (key > ' ' && key < 0x7f && length + 1 < size)
            answer[length++] = (char) key;
    }
}

void screen_text(const char *title, char *const *lines, size_t count)
{
    size_t first = SIZE_MAX;

    for (;;) {
        size_t room = LINES > 1 ? (size_t) LINES - 1 : 1, last = count > room ? count - room : 0;
        int key;

        first = first > last ? last : first;
        erase();
        screen_line(0, title, true);
        for (size_t i = 0; i < room && first + i < count; i++)
            screen_line(1 + (int) i, lines[first + i], false);
        refresh();
        key = screen_key(-1);
        if (key == SCREEN_UP)
            first -= first > 0;
        else if (key == SCREEN_DOWN)
            first++;
        else if (key == SCREEN_PAGE_UP)
            first = first > room ? first - room : 0;
        else if (key == SCREEN_PAGE_DOWN)
            first += room;
        else if (key == SCREEN_HOME)
            first = 0;
        else if (key == SCREEN_END)
            first = last;
        else if (key != SCREEN_NOTHING)
            return;
    }
}
