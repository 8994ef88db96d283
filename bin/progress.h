/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The progress bar of long work, and ^C that stops it cleanly. */
#ifndef MSD_BIN_PROGRESS_H
#define MSD_BIN_PROGRESS_H

#include "base/progress.h"
#include "tool.h"

/* _FOR names the commands that have a bar. */
#define PROGRESS_OPTION PROGRESS_OPTION_FOR("Show progress: always, never, or auto (on a terminal)")
#define PROGRESS_OPTION_FOR(help)                                                                 \
	{ "progress", 0, POPT_ARG_STRING, NULL, PROGRESS_OPTION_VAL, help, "WHEN" }
enum { PROGRESS_OPTION_VAL = 0x20000 };

struct progress {
	struct msd_progress callback;	/* give its address to the library */
	struct tool *tool;
	const char *what;		/* before the bar */
	bool shown;			/* is there to be a bar? */
	bool drawn;
	uint64_t start_ns, last_ns;
};

/* The value of --progress; a wrong one ends the program. Before progress_begin. */
enum progress_when { PROGRESS_AUTO, PROGRESS_ALWAYS, PROGRESS_NEVER };
enum progress_when progress_option(struct tool *tool, const char *value);

/* From here on SIGINT, SIGTERM and SIGHUP make the callback return nonzero; a second one kills. */
void progress_begin(struct progress *progress, struct tool *tool, enum progress_when when,
		    const char *what);

/* Clears the bar. Call before anything is printed. */
void progress_end(struct progress *progress);

/*
 * For main to return: rc as it is, but when a signal stopped the work the program ends by that
 * signal, as its parent expects.
 */
int progress_exit_status(int status);

#endif
