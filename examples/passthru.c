// SPDX-License-Identifier: GPL-2.0
/*
 * One NVMe Read command through io_uring (IORING_OP_URING_CMD), as on
 * /dev/ngXnY. The command and its result are larger than an ordinary SQE and
 * CQE, so the ring has 128-byte SQEs and 32-byte CQEs. docs/commands.md says
 * which commands are allowed, and to which users.
 *
 * usage: passthru DEVICE LBA
 *
 * Reads 4096 bytes at LBA and prints the sum of their 64-bit words.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <inttypes.h>
#include <liburing.h>
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#define LEN		4096
#define NVME_READ	0x02	/* NVM Command Set 1.0, 3.2.4 */

int main(int argc, char **argv)
{
	uint64_t sum = 0, lba, *words = aligned_alloc(LEN, LEN);
	struct nvme_uring_cmd *cmd;
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int fd, ret, nsid, lba_size;

	if (argc != 3)
		error(2, 0, "usage: passthru DEVICE LBA");
	lba = strtoull(argv[2], NULL, 0);
	fd = open(argv[1], O_RDONLY);
	if (fd < 0 || !words)
		error(1, errno, "%s", argv[1]);
	nsid = ioctl(fd, NVME_IOCTL_ID);
	if (nsid < 0 || ioctl(fd, BLKSSZGET, &lba_size))
		error(1, errno, "%s: ioctl", argv[1]);
	ret = io_uring_queue_init(8, &ring, IORING_SETUP_SQE128 |
				  IORING_SETUP_CQE32);
	if (ret)
		error(1, -ret, "io_uring_queue_init");

	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, fd, NULL, 0, 0);
	sqe->cmd_op = NVME_URING_CMD_IO;
	cmd = (struct nvme_uring_cmd *)sqe->cmd;
	*cmd = (struct nvme_uring_cmd){
		.opcode = NVME_READ,
		.nsid = nsid,
		.addr = (uintptr_t)words,
		.data_len = LEN,
		.cdw10 = lba,
		.cdw11 = lba >> 32,
		.cdw12 = LEN / lba_size - 1,	/* NLB, 0's based */
	};
	io_uring_submit(&ring);
	ret = io_uring_wait_cqe(&ring, &cqe);
	if (ret)
		error(1, -ret, "io_uring_wait_cqe");
	/* Negative: an errno. Positive: the status that the controller returned. */
	if (cqe->res < 0)
		error(1, -cqe->res, "Read");
	if (cqe->res > 0)
		error(1, 0, "Read: NVMe status %#x", cqe->res);
	for (size_t i = 0; i < LEN / sizeof(*words); i++)
		sum += words[i];
	/* Dwords 0 and 1 of the completion are in big_cqe; Read does not use them. */
	printf("NSID %d, LBA %" PRIu64 ", result %llu, sum %016" PRIx64 "\n",
	       nsid, lba, cqe->big_cqe[0], sum);
	return 0;
}
