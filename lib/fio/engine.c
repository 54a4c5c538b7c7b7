// SPDX-License-Identifier: GPL-2.0
/*
 * An external engine for fio: queues of libnvdio. See docs/interfaces.md.
 *
 * A job has one file, the node of a namespace, and memory that is mapped once. It is to be
 * compiled with the headers of the fio that loads it.
 */
#include "fio.h"
#include "optgroup.h"

#include "libnvdio.h"

struct engine_options {
	void *pad;	/* no option is at offset 0 */
	unsigned int queue;
};

struct engine_data {
	struct nvdio_queue *queue;
	struct nvdio_mem mem;
	struct nvdio_done *done;
	int fd;
	bool own;	/* the memory is not the driver's */
};

static struct fio_option options[] = {
	{
		.name = "nvdio_queue",
		.lname = "nvdio queue",
		.type = FIO_OPT_STR,
		.off1 = offsetof(struct engine_options, queue),
		.help = "How I/Os get to the driver",
		.def = "any",
		.category = FIO_OPT_C_ENGINE,
		.group = FIO_OPT_G_INVALID,
		.posval = {
			{ .ival = "any", .oval = 0, .help = "What there is" },
			{ .ival = "batch", .oval = NVDIO_QUEUE_BATCH,
			  .help = "Batches, through io_uring" },
			{ .ival = "ring", .oval = NVDIO_QUEUE_RING,
			  .help = "A ring, without io_uring" },
		},
	},
	{ .name = NULL },
};

static int failed(struct thread_data *td, int err, const char *what)
{
	td_verror(td, -err, what);
	return 1;
}

static void engine_cleanup(struct thread_data *td)
{
	struct engine_data *d = td->io_ops_data;

	if (!d)
		return;
	nvdio_queue_close(d->queue);
	if (d->fd >= 0)
		close(d->fd);
	free(d->done);
	free(d);
	td->io_ops_data = NULL;
}

static int engine_init(struct thread_data *td)
{
	const struct engine_options *o = td->eo;
	struct engine_data *d;
	int ret;

	if (td->files_index != 1) {
		log_err("fio: nvdio: one file for each job\n");
		return 1;
	}
	d = calloc(1, sizeof(*d));
	if (!d)
		return 1;
	td->io_ops_data = d;
	d->done = calloc(td->o.iodepth, sizeof(*d->done));
	/* The driver's memory can be written to if the file can. */
	d->fd = open(td->files[0]->file_name, O_RDWR | O_CLOEXEC);
	if (d->fd < 0 && !td_write(td)) {
		d->fd = open(td->files[0]->file_name, O_RDONLY | O_CLOEXEC);
		d->own = true;
	}
	if (!d->done || d->fd < 0) {
		ret = failed(td, -errno, "open");
		goto out;
	}
	ret = nvdio_queue_open(&d->queue, d->fd, td->o.iodepth, o->queue);
	if (ret)
		ret = failed(td, ret, "nvdio_queue_open");
out:
	if (ret)
		engine_cleanup(td);
	return ret;
}

static int engine_iomem_alloc(struct thread_data *td, size_t len)
{
	const size_t round = (len + page_size - 1) & ~(size_t)(page_size - 1);
	struct engine_data *d = td->io_ops_data;
	void *own;
	int ret;

	if (d->own) {
		own = mmap(NULL, round, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (own == MAP_FAILED)
			return failed(td, -errno, "mmap");
		ret = nvdio_mem_add(d->fd, own, round, 0, &d->mem);
	} else {
		ret = nvdio_mem_alloc(d->fd, len, 0, &d->mem);
	}
	if (ret)
		return failed(td, ret, "nvdio: memory");
	td->orig_buffer = d->mem.addr;
	return 0;
}

static void engine_iomem_free(struct thread_data *td)
{
	struct engine_data *d = td->io_ops_data;

	if (!d || !d->mem.addr)
		return;
	nvdio_mem_free(d->fd, &d->mem);
	if (d->own)
		munmap(d->mem.addr, d->mem.len);
	d->mem.addr = NULL;
}

static enum fio_q_status engine_queue(struct thread_data *td, struct io_u *io_u)
{
	const uint64_t data = (uintptr_t)io_u;
	struct engine_data *d = td->io_ops_data;
	int ret;

	fio_ro_check(td, io_u);
	if (io_u->ddir == DDIR_READ) {
		ret = nvdio_prep_read(d->queue, &d->mem, io_u->xfer_buf,
				      io_u->xfer_buflen, io_u->offset, data);
	} else if (io_u->ddir == DDIR_WRITE) {
		ret = nvdio_prep_write(d->queue, &d->mem, io_u->xfer_buf,
				       io_u->xfer_buflen, io_u->offset,
				       td->o.sync_io ? NVDIO_IO_FUA : 0, data);
	} else if (ddir_sync(io_u->ddir)) {
		ret = nvdio_prep_flush(d->queue, data);
	} else {
		io_u->error = EOPNOTSUPP;
		return FIO_Q_COMPLETED;
	}
	return ret ? FIO_Q_BUSY : FIO_Q_QUEUED;
}

static int engine_commit(struct thread_data *td)
{
	struct engine_data *d = td->io_ops_data;
	int ret;

	do {
		ret = nvdio_submit(d->queue);
	} while (ret == -EINTR);
	if (ret < 0)
		return ret;
	io_u_mark_submit(td, ret);
	return 0;
}

static int engine_getevents(struct thread_data *td, unsigned int min,
			    unsigned int max, const struct timespec *t)
{
	struct engine_data *d = td->io_ops_data;
	int ret;

	if (max > td->o.iodepth)
		max = td->o.iodepth;
	do {
		ret = nvdio_wait(d->queue, d->done, max, min, t);
	} while (ret == -EINTR);
	return ret;
}

static struct io_u *engine_event(struct thread_data *td, int event)
{
	const struct engine_data *d = td->io_ops_data;
	const struct nvdio_done *done = &d->done[event];
	struct io_u *io_u = (void *)(uintptr_t)done->data;

	io_u->error = done->res < 0 ? -done->res : 0;
	io_u->resid = 0;
	return io_u;
}

/* fio itself cannot tell the size of a character device. */
static int engine_get_file_size(struct thread_data *td, struct fio_file *f)
{
	struct nvdio_info info = {};
	int fd, ret;

	if (fio_file_size_known(f))
		return 0;
	fd = open(f->file_name, O_RDONLY | O_CLOEXEC);
	ret = fd < 0 ? -1 : ioctl(fd, NVDIO_IOC_INFO, &info);
	if (ret)
		failed(td, -errno, "NVDIO_IOC_INFO");
	if (fd >= 0)
		close(fd);
	if (ret)
		return 1;
	f->real_file_size = info.size;
	fio_file_set_size_known(f);
	return 0;
}

__attribute__((visibility("default"))) struct ioengine_ops ioengine = {
	.name = "nvdio",
	.version = FIO_IOOPS_VERSION,
	.flags = FIO_RAWIO | FIO_NOEXTEND | FIO_NODISKUTIL,
	.init = engine_init,
	.cleanup = engine_cleanup,
	.iomem_alloc = engine_iomem_alloc,
	.iomem_free = engine_iomem_free,
	.queue = engine_queue,
	.commit = engine_commit,
	.getevents = engine_getevents,
	.event = engine_event,
	.open_file = generic_open_file,
	.close_file = generic_close_file,
	.get_file_size = engine_get_file_size,
	.options = options,
	.option_struct_size = sizeof(struct engine_options),
};
