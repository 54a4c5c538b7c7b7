// SPDX-License-Identifier: GPL-2.0
/* The environment of libnvdio-arena.so. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arena.h"

#define MIN_DEFAULT	(128UL << 10)

void arena_say(int fd, const char *fmt, ...)
{
	const int err = errno;
	char line[300];
	va_list ap;
	int n, m;

	n = snprintf(line, sizeof(line), "nvdio-arena: ");
	va_start(ap, fmt);
	m = vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	if (m < 0)
		m = 0;
	n += m;
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n] = '\n';
	syscall(SYS_write, fd, line, (size_t)n + 1);
	errno = err;
}

static int bad(const char *name, const char *value, const char *wanted)
{
	arena_say(2, "%s=%.60s: not %s; nothing is served", name, value, wanted);
	return -1;
}

/* Bytes, with K, M, G or T for powers of 1024. Returns 0 or -1; as read_flag(). */
static int read_size(const char *name, size_t least, size_t *size)
{
	static const char suffixes[] = "KMGT";
	const char *value = secure_getenv(name), *suffix;
	unsigned int shift = 0;
	unsigned long n;
	char *end;

	if (!value)
		return 0;
	errno = 0;
	n = strtoul(value, &end, 10);
	if (*end) {
		suffix = strchr(suffixes, *end & ~0x20);
		if (suffix && !end[1]) {
			shift = 10 * (suffix - suffixes + 1);
			end++;
		}
	}
	/* strtoul() takes spaces and signs as well. */
	if (*value < '0' || *value > '9' || *end || errno || n > SIZE_MAX >> shift)
		return bad(name, value, "a number of bytes");
	n <<= shift;
	if (n < least)
		return bad(name, value, "as much as a page");
	*size = n;
	return 0;
}

static int read_flag(const char *name, bool *flag)
{
	const char *value = secure_getenv(name);

	if (!value)
		return 0;
	if (strcmp(value, "0") && strcmp(value, "1"))
		return bad(name, value, "0 or 1");
	*flag = *value == '1';
	return 0;
}

bool arena_settings_read(struct arena_settings *s)
{
	*s = (struct arena_settings){
		.node = secure_getenv("NVDIO_ARENA"),
		.min = MIN_DEFAULT,
		/* Unlike ordinary memory it is there at once, and stays there. */
		.max = (size_t)sysconf(_SC_PHYS_PAGES) * ARENA_PAGE / 4,
		.shared = true,
	};
	if (s->node && !*s->node)
		s->node = NULL;
	if (sysconf(_SC_PAGESIZE) != ARENA_PAGE) {
		if (s->node)
			arena_say(2, "pages of %ld bytes: nothing is served",
				  sysconf(_SC_PAGESIZE));
		return false;
	}
	return !read_size("NVDIO_ARENA_MIN", ARENA_PAGE, &s->min) &&
		!read_size("NVDIO_ARENA_MAX", ARENA_PAGE, &s->max) &&
		!read_flag("NVDIO_ARENA_SHARED", &s->shared) &&
		!read_flag("NVDIO_ARENA_PRIVATE", &s->private) &&
		!read_flag("NVDIO_ARENA_MALLOC", &s->malloc) &&
		!read_flag("NVDIO_ARENA_STATS", &s->stats);
}
