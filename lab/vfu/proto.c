// SPDX-License-Identifier: GPL-2.0
/*
 * The vfio-user protocol (QEMU's docs, interop/vfio-user): messages, memory of
 * the guest, interrupts. QEMU is the client, on a socket, one message at a time.
 */
#include <err.h>
#include <errno.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vfu.h"

enum message {
	MSG_VERSION = 1, MSG_DMA_MAP, MSG_DMA_UNMAP, MSG_DEVICE_INFO, MSG_REGION_INFO,
	MSG_REGION_FDS, MSG_IRQ_INFO, MSG_SET_IRQS, MSG_REGION_READ, MSG_REGION_WRITE,
	MSG_DMA_READ, MSG_DMA_WRITE, MSG_RESET,
};

#define FLAG_REPLY	0x01
#define FLAG_NO_REPLY	0x10
#define FLAG_ERROR	0x20

#define DMA_READABLE	0x1
#define DMA_WRITABLE	0x2

#define MAX_MESSAGE	(64 * 1024)
#define MAX_FDS		128

struct header {
	uint16_t id, command;
	uint32_t size, flags, error;
};

struct dma_map {
	uint32_t argsz, flags;
	uint64_t offset, addr, size;
};

struct dma_unmap {
	uint32_t argsz, flags;
	uint64_t addr, size;
};

struct region_access {
	uint64_t offset;
	uint32_t region, count;
	uint8_t data[];
};

struct message_in {
	struct header h;
	uint8_t data[MAX_MESSAGE];
	int fds[MAX_FDS];
	unsigned int nr_fds;
};

/* ---- memory of the guest */

/* A file of which parts are mapped: the whole of it is mapped here, once. */
struct file {
	dev_t dev;
	ino_t ino;
	uint8_t *base;
	size_t size;
};

struct map {
	uint64_t addr, size;
	uint8_t *base;		/* NULL: not to be had */
	uint32_t flags;
	uint64_t serial;
};

static struct file files[64];
static unsigned int nr_files;
/* In the order of addresses. */
static struct map *maps;
static size_t nr_maps, max_maps;
static uint64_t last_serial;

static uint8_t *file_base(int fd, uint64_t offset, uint64_t size)
{
	struct stat st;
	struct file *f;

	if (fstat(fd, &st))
		return NULL;
	for (f = files; f < files + nr_files; f++)
		if (f->dev == st.st_dev && f->ino == st.st_ino)
			break;
	if (f == files + nr_files) {
		if (nr_files == ARRAY_SIZE(files))
			return NULL;
		f->dev = st.st_dev;
		f->ino = st.st_ino;
		f->size = st.st_size;
		f->base = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		/* Firmware is read only. */
		if (f->base == MAP_FAILED)
			f->base = mmap(NULL, f->size, PROT_READ, MAP_SHARED, fd, 0);
		if (f->base == MAP_FAILED)
			return NULL;
		nr_files++;
	}
	return offset + size <= f->size ? f->base + offset : NULL;
}

/* The first mapping that ends behind @addr. */
static size_t map_index(uint64_t addr)
{
	size_t low = 0, high = nr_maps;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (maps[mid].addr + (maps[mid].size - 1) < addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* What handles a message returns 0 or, as it goes into the reply, a positive errno. */

static int dma_map(const struct message_in *m)
{
	struct dma_map d;
	size_t at;

	memcpy(&d, m->data, sizeof(d));
	at = map_index(d.addr);
	if (!d.size || (at < nr_maps && maps[at].addr <= d.addr + (d.size - 1)))
		return EEXIST;
	if (nr_maps == max_maps) {
		max_maps = max_maps ? 2 * max_maps : 64;
		maps = realloc(maps, max_maps * sizeof(*maps));
		if (!maps)
			err(1, "memory");
	}
	memmove(maps + at + 1, maps + at, (nr_maps - at) * sizeof(*maps));
	nr_maps++;
	maps[at].addr = d.addr;
	maps[at].size = d.size;
	maps[at].flags = d.flags;
	maps[at].serial = ++last_serial;
	maps[at].base = m->nr_fds ? file_base(m->fds[0], d.offset, d.size) : NULL;
	return 0;
}

static int dma_unmap(const struct message_in *m)
{
	struct dma_unmap d;
	size_t at, end;

	memcpy(&d, m->data, sizeof(d));
	at = map_index(d.addr);
	for (end = at; end < nr_maps && maps[end].addr - d.addr < d.size; end++)
		;
	if (at == end)
		return ENOENT;
	memmove(maps + at, maps + end, (nr_maps - end) * sizeof(*maps));
	nr_maps -= end - at;
	return 0;
}

void *proto_dma(uint64_t addr, size_t *len, bool write)
{
	size_t at = map_index(addr);
	struct map *map = maps + at;
	uint64_t skip;

	if (at == nr_maps || map->addr > addr || !map->base ||
	    !(map->flags & (write ? DMA_WRITABLE : DMA_READABLE)))
		return NULL;
	skip = addr - map->addr;
	if (*len > map->size - skip)
		*len = map->size - skip;
	return map->base + skip;
}

uint64_t proto_map_serial(uint64_t addr)
{
	size_t at = map_index(addr);

	return at < nr_maps && maps[at].addr <= addr ? maps[at].serial : 0;
}

size_t proto_nr_maps(void)
{
	return nr_maps;
}

/* ---- interrupts */

static int irq_fds[IRQ_KINDS][MAX_VECTORS];
static unsigned int irq_count[IRQ_KINDS];

unsigned int proto_irqs(enum irq_kind kind)
{
	return irq_count[kind];
}

void proto_irq_raise(enum irq_kind kind, unsigned int vector)
{
	uint64_t one = 1;

	if (vector >= irq_count[kind] || irq_fds[kind][vector] < 0)
		return;
	if (write(irq_fds[kind][vector], &one, sizeof(one)) == sizeof(one))
		count(C_IRQS);
}

static unsigned int irqs_of(uint32_t index)
{
	switch (index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		return pci_options.intx;
	case VFIO_PCI_MSI_IRQ_INDEX:
		return pci_options.msi ? 32 : 0;
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return pci_options.msix ? pci_options.vectors : 0;
	default:
		return 0;
	}
}

static int set_irqs(struct message_in *m)
{
	struct vfio_irq_set set;
	uint32_t action, data;
	unsigned int i;

	memcpy(&set, m->data, sizeof(set));
	if (set.index >= IRQ_KINDS)
		return 0;
	if (set.start > irqs_of(set.index) || set.count > irqs_of(set.index) - set.start)
		return EINVAL;
	action = set.flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
	data = set.flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	if (action == VFIO_IRQ_SET_ACTION_UNMASK && set.index == VFIO_PCI_INTX_IRQ_INDEX) {
		nvme_unmasked();
		return 0;
	}
	if (action != VFIO_IRQ_SET_ACTION_TRIGGER)
		return 0;
	if (data == VFIO_IRQ_SET_DATA_NONE && !set.count) {
		for (i = 0; i < irq_count[set.index]; i++)
			if (irq_fds[set.index][i] >= 0)
				close(irq_fds[set.index][i]);
		irq_count[set.index] = 0;
		return 0;
	}
	if (data != VFIO_IRQ_SET_DATA_EVENTFD)
		return 0;
	while (irq_count[set.index] < set.start + set.count)
		irq_fds[set.index][irq_count[set.index]++] = -1;
	for (i = 0; i < set.count; i++) {
		int *fd = &irq_fds[set.index][set.start + i];

		if (*fd >= 0)
			close(*fd);
		*fd = -1;
		if (i < m->nr_fds) {
			*fd = m->fds[i];
			m->fds[i] = -1;
		}
	}
	return 0;
}

/* ---- messages */

#define VERSION_CAPS "\"max_msg_fds\":16,\"max_data_xfer_size\":32768,\"max_dma_maps\":65535"
static const char version_data[] = "{\"capabilities\":{" VERSION_CAPS "}}";

static bool receive_all(int sock, void *buf, size_t len)
{
	while (len) {
		ssize_t n = recv(sock, buf, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		buf = (char *)buf + n;
		len -= n;
	}
	return true;
}

/* File descriptors come with the first bytes. Return: false at the end. */
static bool receive(int sock, struct message_in *m)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = { &m->h, sizeof(m->h) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	ssize_t n;

	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false;
	m->nr_fds = 0;
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		m->nr_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(m->fds, CMSG_DATA(c), m->nr_fds * sizeof(int));
	}
	if (!receive_all(sock, (char *)&m->h + n, sizeof(m->h) - n))
		return false;
	if (m->h.size < sizeof(m->h) || m->h.size > sizeof(m->h) + sizeof(m->data))
		errx(1, "a message of %u bytes", m->h.size);
	/* Short messages are read as if the rest were zero. */
	memset(m->data, 0, 64);
	return receive_all(sock, m->data, m->h.size - sizeof(m->h));
}

static void reply(int sock, const struct header *to, int error, const void *data, size_t len)
{
	struct header h = {
		.id = to->id, .command = to->command, .size = sizeof(h) + (error ? 0 : len),
		.flags = FLAG_REPLY | (error ? FLAG_ERROR : 0), .error = error,
	};
	struct iovec iov[2] = { { &h, sizeof(h) }, { (void *)data, len } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = error || !len ? 1 : 2 };

	if (to->flags & FLAG_NO_REPLY)
		return;
	/* The socket blocks; QEMU takes what it asked for. */
	if (sendmsg(sock, &msg, MSG_NOSIGNAL) != (ssize_t)h.size)
		warn("reply to message %u", to->command);
}

static void version(int sock, struct message_in *m)
{
	uint8_t answer[4 + sizeof(version_data)];
	uint16_t minor = 0;

	memcpy(answer, m->data, 2);
	memcpy(answer + 2, &minor, 2);
	memcpy(answer + 4, version_data, sizeof(version_data));
	reply(sock, &m->h, 0, answer, sizeof(answer));
}

static void device_info(int sock, struct message_in *m)
{
	uint32_t answer[4] = {
		sizeof(answer), VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET,
		VFIO_PCI_NUM_REGIONS, VFIO_PCI_NUM_IRQS,
	};

	reply(sock, &m->h, 0, answer, sizeof(answer));
}

static void region_info(int sock, struct message_in *m)
{
	struct vfio_region_info info;
	uint32_t index;

	memcpy(&info, m->data, sizeof(info));
	index = info.index;
	memset(&info, 0, sizeof(info));
	info.argsz = sizeof(info);
	info.index = index;
	if (index == VFIO_PCI_BAR0_REGION_INDEX)
		info.size = BAR_SIZE;
	if (index == VFIO_PCI_BAR2_REGION_INDEX && pci_options.cmb)
		info.size = CMB_SIZE;
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		info.size = 4096;
	if (info.size)
		info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	reply(sock, &m->h, 0, &info, sizeof(info));
}

static void irq_info(int sock, struct message_in *m)
{
	struct vfio_irq_info info;

	memcpy(&info, m->data, sizeof(info));
	info.argsz = sizeof(info);
	info.count = irqs_of(info.index);
	info.flags = VFIO_IRQ_INFO_EVENTFD;
	if (info.index == VFIO_PCI_INTX_IRQ_INDEX)
		info.flags |= VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	else
		info.flags |= VFIO_IRQ_INFO_NORESIZE;
	reply(sock, &m->h, 0, &info, sizeof(info));
}

/* The controller memory buffer, for the host only: no command finds it. */
static uint8_t cmb[CMB_SIZE];

static bool in_cmb(const struct region_access *a)
{
	return a->offset < CMB_SIZE && a->count <= CMB_SIZE - a->offset;
}

static void region_read(int sock, struct message_in *m)
{
	struct region_access *a = (void *)m->data;

	if (a->count > MAX_MESSAGE - sizeof(*a)) {
		reply(sock, &m->h, EINVAL, NULL, 0);
		return;
	}
	memset(a->data, 0, a->count);
	if (a->region == VFIO_PCI_CONFIG_REGION_INDEX)
		config_read(a->offset, a->data, a->count);
	else if (a->region == VFIO_PCI_BAR0_REGION_INDEX)
		nvme_read(a->offset, a->data, a->count);
	else if (a->region == VFIO_PCI_BAR2_REGION_INDEX && in_cmb(a))
		memcpy(a->data, cmb + a->offset, a->count);
	reply(sock, &m->h, 0, a, sizeof(*a) + a->count);
}

static void region_write(int sock, struct message_in *m)
{
	struct region_access *a = (void *)m->data;

	if (m->h.size < sizeof(m->h) + sizeof(*a) + a->count) {
		reply(sock, &m->h, EINVAL, NULL, 0);
		return;
	}
	if (a->region == VFIO_PCI_CONFIG_REGION_INDEX)
		config_write(a->offset, a->data, a->count);
	else if (a->region == VFIO_PCI_BAR0_REGION_INDEX)
		nvme_write(a->offset, a->data, a->count);
	else if (a->region == VFIO_PCI_BAR2_REGION_INDEX && in_cmb(a))
		memcpy(cmb + a->offset, a->data, a->count);
	reply(sock, &m->h, 0, a, sizeof(*a));
}

static void handle(int sock, struct message_in *m)
{
	switch (m->h.command) {
	case MSG_VERSION:
		version(sock, m);
		break;
	case MSG_DMA_MAP:
		reply(sock, &m->h, dma_map(m), NULL, 0);
		break;
	case MSG_DMA_UNMAP:
		reply(sock, &m->h, dma_unmap(m), m->data, sizeof(struct dma_unmap));
		break;
	case MSG_DEVICE_INFO:
		device_info(sock, m);
		break;
	case MSG_REGION_INFO:
		region_info(sock, m);
		break;
	case MSG_IRQ_INFO:
		irq_info(sock, m);
		break;
	case MSG_SET_IRQS:
		reply(sock, &m->h, set_irqs(m), NULL, 0);
		break;
	case MSG_REGION_READ:
		region_read(sock, m);
		break;
	case MSG_REGION_WRITE:
		region_write(sock, m);
		break;
	case MSG_RESET:
		config_reset();
		nvme_reset();
		count(C_RESETS);
		reply(sock, &m->h, 0, NULL, 0);
		break;
	default:
		reply(sock, &m->h, ENOSYS, NULL, 0);
	}
}

static void haunt(void)
{
	uint64_t done, refused;

	faults_poke(&done, &refused);
	if (done)
		count(C_GHOST_DONE);
	if (refused)
		count(C_GHOST_REFUSED);
	hmb_haunt();
}

void proto_serve(int sock)
{
	static struct message_in m;
	unsigned int i;

	for (;;) {
		struct pollfd p = { sock, POLLIN, 0 };

		if (poll(&p, 1, nvme_timers()) < 0 && errno != EINTR)
			err(1, "poll");
		if (p.revents) {
			if (!receive(sock, &m))
				return;
			handle(sock, &m);
			if (nvme.haunt)
				haunt();
			for (i = 0; i < m.nr_fds; i++)
				if (m.fds[i] >= 0)
					close(m.fds[i]);
		}
		nvme_raise();
	}
}
