// SPDX-License-Identifier: GPL-2.0
/*
 * Any offset, any length, any buffer: without O_DIRECT the driver copies through
 * bounce buffers. A block that is written in part is read, patched and written
 * back, and no other write to it can come in between. Nothing is cached in
 * memory; RWF_DSYNC makes the data durable even if the controller has a
 * volatile cache (Force Unit Access).
 *
 * usage: copy DEVICE OFFSET TEXT        (overwrites the device at OFFSET)
 *
 * Writes TEXT and a newline at OFFSET, reads it back and prints it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct iovec text[2];
	ssize_t len, ret;
	char *buf;
	off_t off;
	int fd;

	if (argc != 4)
		error(2, 0, "usage: copy DEVICE OFFSET TEXT");
	off = strtoll(argv[2], NULL, 0);
	text[0] = (struct iovec){ argv[3], strlen(argv[3]) };
	text[1] = (struct iovec){ "\n", 1 };
	len = text[0].iov_len + text[1].iov_len;
	buf = malloc(len);
	fd = open(argv[1], O_RDWR);
	if (fd < 0 || !buf)
		error(1, errno, "%s", argv[1]);

	ret = pwritev2(fd, text, 2, off, RWF_DSYNC);
	if (ret != len)
		error(1, ret < 0 ? errno : 0, "incomplete write");
	ret = pread(fd, buf, len, off);
	if (ret != len)
		error(1, ret < 0 ? errno : 0, "incomplete read");
	fwrite(buf, 1, len, stdout);
	return 0;
}
