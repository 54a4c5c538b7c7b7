// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's end of the channel: sends one line to the first controller of
 * lab/vm --vfu, or to that at the PCI address VFU_PCI, and prints the answer.
 *
 * usage: vfu WORD...
 *
 * The status is 1 if the line was not understood, 2 if there is no controller.
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "vfu.h"

static int fd;

static void put(uint32_t at, const void *buf, size_t len)
{
	if (pwrite(fd, buf, len, at) != (ssize_t)len)
		err(2, "cannot write configuration space at %#x", at);
}

static void get(uint32_t at, void *buf, size_t len)
{
	if (pread(fd, buf, len, at) != (ssize_t)len)
		err(2, "cannot read configuration space at %#x", at);
}

static bool is_ours(const char *address)
{
	char path[300], vendor[8] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vendor", address);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(vendor, sizeof(vendor), f))
		vendor[0] = '\0';
	fclose(f);
	return strtoul(vendor, NULL, 16) == VENDOR_ID;
}

/* The first controller in the order of PCI addresses; NULL if there is none. */
static const char *find(void)
{
	static struct dirent **entries;
	int i, n = scandir("/sys/bus/pci/devices", &entries, NULL, alphasort);

	for (i = 0; i < n; i++)
		if (is_ours(entries[i]->d_name))
			return entries[i]->d_name;
	return NULL;
}

int main(int argc, char **argv)
{
	static char line[CH_MAX + CH_WINDOW_SIZE];
	const char *address = getenv("VFU_PCI");
	char path[300], window[CH_WINDOW_SIZE];
	uint32_t at, len = 0, value;
	int i;

	if (argc < 2)
		errx(2, "usage: vfu WORD... (vfu help)");
	if (!address)
		address = find();
	if (!address)
		errx(2, "no controller of lab/vm --vfu");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", address);
	fd = open(path, O_RDWR | O_SYNC);
	if (fd < 0)
		err(2, "%s", path);
	/* Two scripts at once would mix their lines. */
	if (flock(fd, LOCK_EX))
		err(2, "%s", path);
	get(CH_MAGIC, &value, 4);
	if (value != CH_MAGIC_VALUE)
		errx(2, "%s is not a controller of lab/vm --vfu", address);
	for (i = 1; i < argc; i++) {
		size_t n = strlen(argv[i]);

		if (len + n + 1 > CH_MAX)
			errx(2, "too long a line");
		memcpy(line + len, argv[i], n);
		line[len + n] = ' ';
		len += n + 1;
	}
	len--;
	for (at = 0; at < len; at += CH_WINDOW_SIZE) {
		put(CH_OFFSET, &at, 4);
		put(CH_WINDOW, line + at, CH_WINDOW_SIZE);
	}
	put(CH_LENGTH, &len, 4);
	get(CH_LENGTH, &value, 4);
	len = value & ~CH_FAILED;
	for (at = 0; at < len; at += CH_WINDOW_SIZE) {
		put(CH_OFFSET, &at, 4);
		get(CH_WINDOW, window, sizeof(window));
		fwrite(window, 1, len - at < sizeof(window) ? len - at : sizeof(window),
		       value & CH_FAILED ? stderr : stdout);
	}
	return value & CH_FAILED ? 1 : 0;
}
