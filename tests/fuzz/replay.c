/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs a fuzz target over every file of a folder, a TAP line each. */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SECONDS = 10 };	/* for one input: more is a hang, and SIGALRM ends it */

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int replay(int dir, const char *name)
{
	uint8_t *data;
	struct stat st;
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	data = malloc(st.st_size ? st.st_size : 1);
	if (!data || read(fd, data, st.st_size) != st.st_size)
		return -1;
	close(fd);
	alarm(SECONDS);
	LLVMFuzzerTestOneInput(data, st.st_size);
	alarm(0);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	struct dirent **entries;
	int dir, i, n, failed = 0;

	if (argc != 2)
		return 2;
	dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	n = scandir(argv[1], &entries, visible, alphasort);
	if (dir < 0 || n < 0) {
		perror(argv[1]);
		return 1;
	}
	printf("1..%d\n", n);
	for (i = 0; i < n; i++) {
		int bad = replay(dir, entries[i]->d_name) < 0;

		printf("%sok %d - %s\n", bad ? "not " : "", i + 1, entries[i]->d_name);
		fflush(stdout);
		failed |= bad;
		free(entries[i]);
	}
	free(entries);
	close(dir);
	return failed;
}
