/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The progress bar of long work, and ^C that stops it cleanly. */
#include "progress.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/parse.h"

#define DRAW_NS 100000000u	/* ten times a second, not before the first tenth is over */
#define BAR_MAX 40

static volatile sig_atomic_t caught;

static void catch_signal(int number)
{
	caught = number;
}

static void catch(int number)
{
	/* no SA_RESTART: a read from a pipe that gives nothing must end */
	struct sigaction action = { .sa_handler = catch_signal, .sa_flags = SA_RESETHAND };
	struct sigaction old;

	sigaction(number, NULL, &old);
	/* nohup and background jobs of plain shells stay as they are */
	if (old.sa_handler != SIG_IGN)
		sigaction(number, &action, NULL);
}

enum progress_when progress_option(struct tool *tool, const char *value)
{
	if (!strcmp(value, "auto"))
		return PROGRESS_AUTO;
	if (!strcmp(value, "always"))
		return PROGRESS_ALWAYS;
	if (!strcmp(value, "never"))
		return PROGRESS_NEVER;
	tool_usage_error(tool, "--progress: '%s' is none of always, never and auto", value);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* 0: standard error is no terminal. */
static int terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0)
		return 0;
	return size.ws_col ? size.ws_col : 80;
}

static void draw(struct progress *progress, uint64_t done, uint64_t total, uint64_t elapsed_ns)
{
	char numbers[128], rate[24], size[24], of[40] = "", left[32] = "", bar[BAR_MAX + 1] = "";
	uint64_t rate_bytes = (uint64_t)((double)done * 1e9 / (double)elapsed_ns);
	int width = terminal_width(), room, used;

	if (width == 0)
		width = 80;
	if (total > 0) {
		char text[24];

		snprintf(of, sizeof(of), " of %s", msd_format_size(total, text, sizeof(text)));
	}
	if (total > 0 && rate_bytes > 0) {
		uint64_t seconds = (total - (done < total ? done : total)) / rate_bytes;

		snprintf(left, sizeof(left), ", %llu:%02llu left", (unsigned long long)seconds / 60,
			 (unsigned long long)seconds % 60);
	}
	used = snprintf(numbers, sizeof(numbers), " %s%s, %s/s%s",
			msd_format_size(done, size, sizeof(size)), of,
			msd_format_size(rate_bytes, rate, sizeof(rate)), left);
	room = width - 1 - used - (int)strlen(progress->what) - 3;
	if (room > BAR_MAX)
		room = BAR_MAX;
	if (total > 0 && room >= 5) {
		int full = (int)((double)room * (double)(done < total ? done : total) / (double)total);

		memset(bar, ' ', (size_t)room);
		memset(bar, '#', (size_t)full);
		bar[room] = '\0';
		fprintf(stderr, "\r%s [%s]%s\033[K", progress->what, bar, numbers);
	} else {
		fprintf(stderr, "\r%.*s\033[K", width - 1, numbers + 1);
	}
	fflush(stderr);
	progress->drawn = true;
}

static int callback(void *data, uint64_t done_bytes, uint64_t total_bytes)
{
	struct progress *progress = data;

	if (caught)
		return 1;
	if (progress->shown) {
		uint64_t now = now_ns();

		if (now - progress->last_ns >= DRAW_NS) {
			progress->last_ns = now;
			draw(progress, done_bytes, total_bytes, now - progress->start_ns);
		}
	}
	return 0;
}

void progress_begin(struct progress *progress, struct tool *tool, enum progress_when when,
		    const char *what)
{
	memset(progress, 0, sizeof(*progress));
	progress->callback.fn = callback;
	progress->callback.data = progress;
	progress->tool = tool;
	progress->what = what;
	progress->shown = when == PROGRESS_ALWAYS ||
			  (when == PROGRESS_AUTO && !tool->quiet && !tool->verbose && terminal_width());
	progress->start_ns = progress->last_ns = progress->shown ? now_ns() : 0;
	catch(SIGINT);
	catch(SIGTERM);
	catch(SIGHUP);		/* the connection that it was started through has gone */
}

void progress_end(struct progress *progress)
{
	if (progress->drawn)
		fputs("\r\033[K", stderr);
	progress->drawn = false;
}

int progress_exit_status(int status)
{
	if (!caught || status == TOOL_OK)
		return status;
	/* its action is the default one again, see catch() */
	kill(getpid(), caught);
	return status;
}
