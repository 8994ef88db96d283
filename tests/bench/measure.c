/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs commands in turn, several times, and prints for each the median time and the peak memory. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ARGS = 255 };

struct command {
	const char *text;
	uint64_t *times_us;	/* one for each repetition */
	long peak_kib;		/* the largest process of the command, over all repetitions */
};

/* A plain command costs no shell; everything else is for sh. */
static void exec_text(const char *text)
{
	char *copy = strdup(text), *args[MAX_ARGS + 1], *save;
	unsigned n = 0;

	if (copy && !strpbrk(text, "|&;<>()$`\\\"'*?[#~={}")) {
		for (args[n] = strtok_r(copy, " ", &save); args[n] && n < MAX_ARGS;)
			args[++n] = strtok_r(NULL, " ", &save);
		execvp(args[0], args);
	} else {
		execl("/bin/sh", "sh", "-c", text, NULL);
	}
	perror(text);
	_exit(127);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Its stdout goes to /dev/null. Ends the program when the command fails. */
static uint64_t run(const char *text, long *ret_peak_kib)
{
	struct rusage usage;
	uint64_t start = now_us(), end;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
		exec_text(text);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) < 0) {
		perror("measure");
		exit(1);
	}
	end = now_us();
	if (status) {
		fprintf(stderr, "measure: %s: failed\n", text);
		exit(1);
	}
	*ret_peak_kib = usage.ru_maxrss;
	return end - start;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	struct command *commands;
	int repetitions, n = argc - 3, i, r;
	long peak;

	if (argc < 4 || (repetitions = atoi(argv[1])) < 1) {
		fputs("Usage: measure REPETITIONS PREPARE COMMAND…\n"
		      "Prints the median in microseconds and the peak memory in KiB of each COMMAND;\n"
		      "PREPARE, which may be empty, runs before each and is not measured.\n", stderr);
		return 2;
	}
	commands = calloc(n, sizeof(*commands));
	for (i = 0; commands && i < n; i++) {
		commands[i].text = argv[i + 3];
		commands[i].times_us = calloc(repetitions, sizeof(uint64_t));
	}
	/* in turn, so that whatever else the machine does hits all alike */
	for (r = 0; r < repetitions; r++) {
		for (i = 0; i < n; i++) {
			if (argv[2][0])
				run(argv[2], &peak);
			commands[i].times_us[r] = run(commands[i].text, &peak);
			if (peak > commands[i].peak_kib)
				commands[i].peak_kib = peak;
		}
	}
	for (i = 0; i < n; i++) {
		qsort(commands[i].times_us, repetitions, sizeof(uint64_t), compare);
		printf("%llu %ld\n", (unsigned long long)commands[i].times_us[repetitions / 2],
		       commands[i].peak_kib);
	}
	return 0;
}
