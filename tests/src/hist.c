// SPDX-License-Identifier: GPL-2.0
/*
 * Latency histograms of commands that share a doorbell or are found together, which are
 * counted as one: how many of each direction, namespace and stage, to the command; and
 * that those that must have the same latency have it, to the nanosecond.
 *
 * Needs a controller that holds commands back when it is told so, with two namespaces
 * (lab/vm --vfu 'ns 1 size=64M;ns 2 size=64M lbads=12'), io_queue_depth=65, no poll
 * queues, and one CPU: then all that is released at once is found by one interrupt.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "batch.h"
#include "ownring.h"

#define DEPTH 65U		/* io_queue_depth, and so many CQEs */
#define MOST 64U		/* commands in flight */
#define HELD_MS 30

/* docs/tracing.md */
#define STAGES 4
#define DIRS 3
#define BUCKETS 144
#define HEADER 32

enum { TAG, SUBMIT, DEVICE, COMPLETION };
enum { READ, WRITE, OTHER };

static const char *const stages[STAGES] = { "tag", "submit", "device", "completion" };
static const char *const dirs[DIRS] = { "reads", "writes", "others" };

struct hist {
	uint64_t sum, count[BUCKETS];
};

static struct node {
	int fd;
	unsigned int nsid, lba;
	char name[48];
	uint32_t map;		/* the second half of memory */
	struct own own;
	struct hist hists[STAGES][DIRS];
	unsigned int want[STAGES][DIRS];
} nodes[2];

static struct io_uring ring;
static char *memory;		/* registered, a page for each command */
static unsigned int sent;	/* on the queue since the reset */

static uint64_t nsec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void node_open(struct node *node, const char *path, unsigned int nsid)
{
	node->fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (node->fd < 0)
		bail("%s", path);
	node->nsid = nsid;
	snprintf(node->name, sizeof(node->name), "%s", strrchr(path, '/') + 1);
	own_memory(node->fd, MOST * PG, 0, &node->map, NULL);
	own_open(&node->own, node->fd, MOST, MOST);
}

static void setup(void)
{
	struct iovec iov;
	int ctrl = ctrl_open(O_RDWR);

	if (ctrl_counter("queue_depth") != DEPTH || ctrl_counter("queue_count") != 1)
		bail("one queue of %u entries is needed", DEPTH);
	/* The next command is the first of its queue, as its completion is. */
	if (ioctl(ctrl, NVME_IOCTL_RESET))
		bail("NVME_IOCTL_RESET");
	close(ctrl);
	node_open(&nodes[0], dev.path, 1);
	node_open(&nodes[1], sibling_path(2), 2);
	nodes[0].lba = dev.lba;
	nodes[1].lba = PG;
	memory = pages(MOST * PG);
	iov = (struct iovec){ memory, MOST * PG };
	if (io_uring_queue_init(MOST, &ring, IORING_SETUP_SQE128 | IORING_SETUP_CQE32) ||
	    io_uring_register_buffers(&ring, &iov, 1))
		bail("no ring");
}

/* ---- histograms ---- */

static void turn(const struct node *node, bool on)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/sys/class/nvdio/%s/latency/enabled", node->name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, on ? "1" : "0", 1) != 1)
		bail("%s", path);
	close(fd);
}

/* Of both namespaces, empty. */
static void begin_counting(void)
{
	/* Both are off for a moment: nothing from before counts. */
	for (unsigned int i = 0; i < ARRAY_SIZE(nodes); i++)
		turn(&nodes[i], false);
	for (unsigned int i = 0; i < ARRAY_SIZE(nodes); i++) {
		turn(&nodes[i], true);
		memset(nodes[i].want, 0, sizeof(nodes[i].want));
	}
}

static void load(struct node *node)
{
	char path[96];
	size_t done = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/class/nvdio/%s/latency/histogram", node->name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		bail("%s", path);
	while (done < sizeof(node->hists)) {
		n = pread(fd, (char *)node->hists + done, sizeof(node->hists) - done,
			  HEADER + done);
		if (n <= 0)
			bail("%s has %zu bytes", path, done);
		done += n;
	}
	close(fd);
}

static uint64_t number(const struct hist *h)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < BUCKETS; i++)
		sum += h->count[i];
	return sum;
}

/* The least that bucket @i has. */
static uint64_t lower(unsigned int i)
{
	return i < 4 ? i : (4ULL + i % 4) << (i / 4 - 1);
}

/* Do all of @h have the same latency, *@ns? */
static bool one_latency(const struct hist *h, uint64_t *ns)
{
	const uint64_t n = number(h);
	unsigned int i = 0;

	while (!h->count[i])
		i++;
	*ns = h->sum / n;
	return h->count[i] == n && h->sum % n == 0 && *ns >= lower(i) && *ns < lower(i + 1);
}

/* One test: there are as many of each as is wanted. */
static void counts(const char *what)
{
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(nodes) * STAGES * DIRS; i++) {
		const unsigned int stage = i / DIRS % STAGES, dir = i % DIRS;
		struct node *node = &nodes[i / DIRS / STAGES];
		uint64_t n;

		if (i % (STAGES * DIRS) == 0)
			load(node);
		n = number(&node->hists[stage][dir]);
		if (n == node->want[stage][dir])
			continue;
		wrong++;
		note("namespace %u, %s: %llu %s instead of %u", node->nsid, stages[stage],
		     (unsigned long long)n, dirs[dir], node->want[stage][dir]);
	}
	is(wrong, 0, "%s: each command is counted once", what);
}

/*
 * One test: those of @stage that are of one namespace and direction took equally long, @least to
 * @most; with @all, so did those of others.
 */
static void latencies(const char *what, unsigned int stage, uint64_t least, uint64_t most,
		      bool all)
{
	uint64_t ns, first = 0;
	bool good = true, same, any = false;

	for (unsigned int i = 0; i < ARRAY_SIZE(nodes) * DIRS; i++) {
		const struct node *node = &nodes[i / DIRS];
		const struct hist *h = &node->hists[stage][i % DIRS];

		if (!number(h))
			continue;
		same = one_latency(h, &ns);
		if (!any)
			first = ns;
		any = true;
		if (same && ns >= least && ns <= most && (!all || ns == first))
			continue;
		good = false;
		note("namespace %u, %s: %llu ns for %llu %s, not %llu to %llu, the first %llu",
		     node->nsid, stages[stage], (unsigned long long)h->sum,
		     (unsigned long long)number(h), dirs[i % DIRS], (unsigned long long)least,
		     (unsigned long long)most, (unsigned long long)first);
	}
	ok(good, "%s: %s: the same for %s", what, stages[stage], all ? "all" : "a direction");
}

/* ---- commands ---- */

static void add_want(struct node *node, unsigned int dir, bool told)
{
	node->want[SUBMIT][dir]++;
	node->want[DEVICE][dir]++;
	node->want[COMPLETION][dir] += told;
	sent++;
}

static void put_passthrough(const struct node *node, unsigned int dir, unsigned int page)
{
	const uint64_t slba = page * PG / node->lba;
	struct nvme_uring_cmd c = {
		.opcode = dir == READ ? 2 : dir == WRITE, .nsid = node->nsid,
	};

	if (dir != OTHER) {
		c.addr = (uintptr_t)(memory + page * PG);
		c.data_len = PG;
		c.cdw10 = slba;
		c.cdw12 = PG / node->lba - 1;
	}
	prep_command(io_uring_get_sqe(&ring), node->fd, NVME_URING_CMD_IO, &c);
}

static void put_kiocb(const struct node *node, unsigned int dir, unsigned int page)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	if (dir == READ)
		io_uring_prep_read_fixed(sqe, node->fd, memory + page * PG, PG, page * PG, 0);
	else
		io_uring_prep_write_fixed(sqe, node->fd, memory + page * PG, PG, page * PG, 0);
}

/*
 * Commands of a plan, which is a string: "r" and "w" are read and written by io_uring, "R", "W" and
 * "F" are Read, Write and Flush by passthrough, what is in parentheses is a batch, what is behind
 * "|" goes by a ring without io_uring. "1" and "2": those that follow are of this namespace.
 */
struct flight_plan {
	struct nvdio_io ios[MOST];
	struct nvdio_result results[MOST];
	unsigned int nr_ios, nr, sqes, first;
	struct node *node;
	bool batch, own;
};

static void put_io(struct flight_plan *f, unsigned int dir)
{
	struct nvdio_io *io = &f->ios[f->nr_ios++];

	*io = (struct nvdio_io){
		.off = f->nr * PG, .addr = f->nr * PG, .len = PG, .map = f->node->map,
		.op = dir == READ ? NVDIO_IO_READ : NVDIO_IO_WRITE,
	};
	if (f->own)
		own_put(&f->node->own, io);
}

static void put_command(struct flight_plan *f, char c)
{
	const unsigned int dir = c == 'r' || c == 'R' ? READ : c == 'F' ? OTHER : WRITE;
	const bool many = f->batch || f->own, kiocb = !many && c >= 'a';

	if (many)
		put_io(f, dir);
	else if (kiocb)
		put_kiocb(f->node, dir, f->nr);
	else
		put_passthrough(f->node, dir, f->nr);
	f->sqes += !many;
	f->nr++;
	add_want(f->node, dir, kiocb);
}

static void put_mark(struct flight_plan *f, char c)
{
	if (c == '(') {
		f->batch = true;
		f->first = f->nr_ios;
	} else if (c == ')') {
		f->batch = false;
		prep_batch(&ring, f->node->fd, f->ios + f->first, f->nr_ios - f->first,
			   f->results + f->first, 0, 0);
		f->sqes++;
	} else if (c == '|') {
		f->own = true;
	} else {
		f->node = &nodes[c - '1'];
	}
}

/* Send the commands of @plan. */
static void depart(struct flight_plan *f, const char *plan)
{
	*f = (struct flight_plan){ .node = &nodes[0] };
	for (; *plan; plan++) {
		if (strchr("()|12", *plan))
			put_mark(f, *plan);
		else
			put_command(f, *plan);
	}
	if (io_uring_submit(&ring) != (int)f->sqes)
		bail("io_uring_submit()");
	if (f->own) {
		own_publish(&f->node->own);
		if (own_enter(&f->node->own, f->nr_ios, 0) < 0)
			bail("own_enter()");
	}
}

/* Wait for all of them. Return: how many have failed. */
static unsigned int arrive(struct flight_plan *f)
{
	struct own *own = &f->node->own;
	struct io_uring_cqe *cqe;
	unsigned int failed = 0;

	for (unsigned int i = 0; i < f->sqes; i++) {
		if (io_uring_wait_cqe(&ring, &cqe))
			bail("io_uring_wait_cqe()");
		failed += cqe->res < 0;
		io_uring_cqe_seen(&ring, cqe);
	}
	for (unsigned int i = 0; f->own && own->seen != own->tail; i++) {
		if (!own_ready(own) && own_enter(own, 0, 1) < 0)
			bail("own_enter()");
		if (own_ready(own))
			failed += own_get(own).res < 0;
	}
	return failed;
}

/* The next command is to be at @index of its SQ, and what ends next at that of the CQ. */
static void go_to(unsigned int index)
{
	const unsigned int n = (index + DEPTH - sent % DEPTH) % DEPTH;
	static struct flight_plan f;
	char plan[MOST + 1] = "";

	memset(plan, 'r', n);
	depart(&f, plan);
	if (arrive(&f))
		bail("reads have failed");
}

static void are_held(unsigned int n)
{
	char command[80];
	int tries = 300;

	snprintf(command, sizeof(command), "test \"$(vfu held)\" = %u", n);
	while (system(command))
		if (!tries--)
			bail("the controller does not hold %u commands", n);
}

/* What is to be the same in the end. */
#define SAME_DIR	1	/* latencies of a direction of a namespace */
#define SAME_ALL	2	/* all */
#define REVERSE		4	/* released in reverse order */

struct flown {
	uint64_t start, gone, released, end;
};

static struct flown fly(const char *plan, unsigned int doorbells, unsigned int flags)
{
	static struct flight_plan f;
	struct flown t;
	uint64_t rung;

	vfu_tell("hold io count=all");
	rung = ctrl_counter("doorbells");
	t.start = nsec();
	depart(&f, plan);
	t.gone = nsec();
	is(ctrl_counter("doorbells") - rung, doorbells, "%s: doorbells", plan);
	are_held(f.nr);
	usleep(HELD_MS * 1000);
	vfu_tell("clear");
	t.released = nsec();
	vfu_tell(flags & REVERSE ? "release reverse" : "release");
	is(arrive(&f), 0, "%s: none has failed", plan);
	t.end = nsec();
	return t;
}

/* Tests of a plan; @doorbells: that are written for it. */
static void count(const char *plan, unsigned int doorbells, unsigned int flags)
{
	const bool all = flags & SAME_ALL;
	struct flown t;

	begin_counting();
	t = fly(plan, doorbells, flags);
	counts(plan);
	if (!(flags & (SAME_ALL | SAME_DIR)))
		return;
	latencies(plan, SUBMIT, 0, t.gone - t.start, all);
	latencies(plan, DEVICE, t.released - t.gone, t.end - t.start, all);
	latencies(plan, COMPLETION, 0, t.end - t.released, all);
}

/* ---- cases ---- */

static void directions(void)
{
	static const char *const plans[] = {
		"rrrrrrrr", "wwww", "rwrwrwrw", "rrwwrr", "rwwwwwwr", "rrrwFr", "FFrFw",
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(plans); i++) {
		go_to(0);
		count(plans[i], 1, SAME_ALL);
		go_to(0);
		count(plans[i], 1, SAME_ALL | REVERSE);
	}
}

static void namespaces(void)
{
	static const char *const plans[] = {
		"1rrr2rrr", "1r2r1r2r1r2r", "1rw2rw1rw2rw", "1wr2r1r2wwww", "2rrrr1R2R1R2r1r",
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(plans); i++) {
		go_to(0);
		count(plans[i], 1, SAME_ALL);
		go_to(0);
		count(plans[i], 1, SAME_ALL | REVERSE);
	}
}

/* Those of the other are not counted at all, and divide nothing. */
static void one_namespace(void)
{
	struct flown t;

	go_to(0);
	begin_counting();
	turn(&nodes[1], false);
	t = fly("1r2r1rr2w1wr2rr", 1, 0);
	memset(nodes[1].want, 0, sizeof(nodes[1].want));
	counts("the other's are off");
	latencies("the other's are off", DEVICE, t.released - t.gone, t.end - t.start, true);
	latencies("the other's are off", COMPLETION, 0, t.end - t.released, true);
}

/* Some have a kiocb, which is told in the end, others have not. */
static void told(void)
{
	static const struct { const char *plan; unsigned int doorbells; } plans[] = {
		{ "rRrRRr", 1 }, { "RRrrrr", 1 }, { "rrrrRR", 1 }, { "rRwWrR", 1 },
		{ "rWrWWrRr", 1 }, { "RWRWRW", 1 }, { "rr(rr)", 1 }, { "rw(rwrw)", 1 },
		{ "1r2R1r2R1R2r", 1 }, { "1rW2Rw1wR2Wr1r", 1 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(plans); i++) {
		go_to(0);
		count(plans[i].plan, plans[i].doorbells, SAME_ALL);
		go_to(0);
		count(plans[i].plan, plans[i].doorbells, SAME_ALL | REVERSE);
	}
}

/* What went by different doorbells is found at once. */
static void doorbells(void)
{
	static const struct { const char *plan; unsigned int doorbells; } plans[] = {
		{ "rrr(r)wwR", 2 }, { "(rr)r(ww)(r)r", 4 }, { "rRr|wwr", 2 }, { "1r2r(r)1w2wR", 2 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(plans); i++) {
		go_to(0);
		count(plans[i].plan, plans[i].doorbells, 0);
		go_to(0);
		count(plans[i].plan, plans[i].doorbells, REVERSE);
	}
	/* Those by a ring go by a doorbell of their own, at once. */
	go_to(0);
	count("rrr|www", 2, SAME_DIR);
	is(nodes[0].hists[SUBMIT][WRITE].sum, 0, "what is sent at once has waited for nothing");
	ok(nodes[0].hists[SUBMIT][READ].sum > 0, "what has a plug has waited");
	/* Three reads go with the write, two with the flush. */
	go_to(0);
	count("w(rrr)rrF", 2, 0);
	for (unsigned int stage = SUBMIT; stage <= DEVICE; stage++) {
		const struct hist *h = nodes[0].hists[stage];

		is(h[READ].sum, 3 * h[WRITE].sum + 2 * h[OTHER].sum,
		   "%s: each has the time of its doorbell", stages[stage]);
	}
	/* Reads go by the first, and writes by the second. */
	go_to(0);
	count("rrr(r)www", 2, SAME_DIR);
	ok(nodes[0].hists[DEVICE][READ].sum / 4 > nodes[0].hists[DEVICE][WRITE].sum / 3,
	   "what was sent later took less time");
}

/* The SQ, and the CQ, begin again within what goes by one doorbell, or is found together. */
static void wraps(void)
{
	static const struct { const char *plan; unsigned int doorbells; } plans[] = {
		{ "rrrrrrrrrr", 2 }, { "rwrwrwrwrw", 2 }, { "rWRwFrrRwW", 2 },
		{ "(rrrrrrrrrr)", 1 }, { "(rwrwrwrwrw)", 1 }, { "|rrrwwrrrrr", 1 },
		{ "1rr2rr1rr2rr1rR", 2 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(plans); i++) {
		go_to(DEPTH - 5);
		count(plans[i].plan, plans[i].doorbells, 0);
		go_to(DEPTH - 5);
		count(plans[i].plan, plans[i].doorbells, REVERSE);
	}
	/* The last is the last of the queue; the first is the first. */
	go_to(DEPTH - 4);
	count("rwrw", 1, SAME_ALL);
	count("rwrw", 1, SAME_ALL);
	/* What is behind the end is found a little later: reads before it, writes behind it. */
	go_to(DEPTH - 5);
	count("rrrrrwwwww", 2, SAME_DIR);
	go_to(DEPTH - 5);
	count("(rrrrrwwwww)", 1, SAME_DIR);
	ok(nodes[0].hists[DEVICE][READ].sum < nodes[0].hists[DEVICE][WRITE].sum,
	   "those behind the end were found later");
}

/* More than are taken off the CQ at once, and as many, each with a caller of its own. */
static void many(void)
{
	char plan[MOST + 1];

	for (unsigned int n = 31; n <= MOST; n = n == 33 ? MOST : n + 1) {
		for (unsigned int i = 0; i < n; i++)
			plan[i] = i % 2 ? 'w' : 'r';
		plan[n] = '\0';
		go_to(0);
		count(plan, n > 32 ? 2 : 1, n > 32 ? 0 : SAME_ALL);
		go_to(0);
		memset(plan, 'r', n);
		count(plan, n > 32 ? 2 : 1, n > 32 ? 0 : SAME_ALL);
	}
}

/* What was sent before they were turned on is not counted. */
static void before(void)
{
	static struct flight_plan f;

	for (unsigned int was_on = 0; was_on < 2; was_on++) {
		/* So that the tags have times. */
		begin_counting();
		go_to(0);
		for (unsigned int i = 0; i < ARRAY_SIZE(nodes); i++)
			turn(&nodes[i], was_on);
		vfu_tell("hold io count=all");
		depart(&f, "1rrw2RwrF");
		are_held(f.nr);
		begin_counting();
		vfu_tell("clear");
		vfu_tell("release");
		is(arrive(&f), 0, "none has failed");
		counts(was_on ? "turned off and on meanwhile" : "turned on meanwhile");
	}
}

/* What is sent again is counted again, and its caller is told once. */
static void again(void)
{
	static struct flight_plan f;

	begin_counting();
	vfu_tell("status read sc=6 count=1 skip=1");
	depart(&f, "rrrw");
	is(arrive(&f), 0, "a read that is sent again succeeds");
	nodes[0].want[SUBMIT][READ]++;
	nodes[0].want[DEVICE][READ]++;
	sent++;
	counts("sent again");
	vfu_tell("clear");
}

static const struct t_case cases[] = {
	{ "directions", directions },
	{ "namespaces", namespaces },
	{ "one_namespace", one_namespace },
	{ "told", told },
	{ "doorbells", doorbells },
	{ "wraps", wraps },
	{ "many", many },
	{ "before", before },
	{ "again", again },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
