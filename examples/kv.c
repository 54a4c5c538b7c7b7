// SPDX-License-Identifier: GPL-2.0
/*
 * Values by key, from a hash table on the disk, many lookups at once. A lookup reads one
 * block after the other until it finds its key, or an empty block; each goes on as soon
 * as its read has ended. What becomes due together is sent in one call.
 *
 * usage: kv DEVICE KEYS            make a table of 2 * KEYS blocks; keys are odd numbers
 *        kv DEVICE KEYS LOOKUPS    look for random numbers, half of which are there
 */
#define _GNU_SOURCE
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "libnvdio.h"

#define DEPTH	128	/* lookups at once */

struct block {
	__u64 key, value;
	char rest[4096 - 16];
};

static __u64 hash(__u64 n)
{
	n = (n ^ n >> 33) * 0xff51afd7ed558ccdULL;
	return n ^ n >> 33;
}

static void fill(int fd, __u64 blocks)
{
	struct block *table = calloc(blocks, sizeof(*table));

	for (__u64 key = 1; table && key < blocks; key += 2) {
		__u64 place = hash(key);

		while (table[place % blocks].key)
			place++;
		table[place % blocks].key = key;
		table[place % blocks].value = hash(key + blocks);
	}
	for (__u64 i = 0; i < blocks; i++)
		if (!table || pwrite(fd, &table[i], sizeof(*table), i * sizeof(*table)) < 0)
			error(1, errno, "table");
}

static void get(int fd, __u64 blocks, __u64 lookups)
{
	__u64 begun = 0, ended = 0, found = 0, sum = 0, key[DEPTH], place[DEPTH];
	struct nvdio_queue *queue;
	struct nvdio_done done[DEPTH];
	struct nvdio_mem mem;
	int nr = 0, at = 0, ret = nvdio_queue_open(&queue, fd, DEPTH, 0);

	if (ret || (ret = nvdio_mem_alloc(fd, DEPTH * sizeof(struct block), 0, &mem)))
		error(1, -ret, "libnvdio");
	for (struct block *block = mem.addr; ended < lookups; ) {
		__u64 i = begun;	/* each lookup has a number, a key and a block */

		if (begun >= lookups || begun >= DEPTH) {
			if (at == nr)
				nr = nvdio_wait(queue, done, DEPTH, 1, NULL), at = 0;
			if (nr < 0 || done[at].res < 0)
				error(1, nr < 0 ? -nr : -done[at].res, "read");
			i = done[at++].data;
		}
		if (i < begun && block[i].key && block[i].key != key[i]) {
			place[i]++;	/* another one's: go on with the next block */
		} else {
			if (i < begun && ++ended && block[i].key && ++found)
				sum += block[i].value;
			if (begun == lookups)
				continue;
			place[i] = hash(key[i] = hash(++begun) % blocks);
		}
		if (nvdio_prep_read(queue, &mem, &block[i], sizeof(*block),
				    place[i] % blocks * sizeof(*block), i))
			error(1, EBUSY, "the queue");
	}
	printf("%llu lookups, %llu found, sum %016llx\n", lookups, found, sum);
	nvdio_queue_close(queue);
	nvdio_mem_free(fd, &mem);
}

int main(int argc, char **argv)
{
	const __u64 blocks = argc > 2 ? 2 * strtoull(argv[2], NULL, 0) : 0;
	int fd = argc > 1 ? open(argv[1], O_RDWR) : 0;

	if (!blocks || argc > 4)
		error(2, 0, "usage: kv DEVICE KEYS [LOOKUPS]");
	if (fd < 0)
		error(1, errno, "%s", argv[1]);
	argc == 3 ? fill(fd, blocks) : get(fd, blocks, strtoull(argv[3], NULL, 0));
	return 0;
}
