// SPDX-License-Identifier: GPL-2.0
/* The script language: one line, one command (see help()). */
#include <stdlib.h>
#include <string.h>

#include "vfu.h"

#define MAX_WORDS	32

static const char help_text[] =
"registers:   csts true|ones|once     CSTS reads as it is, as all ones, once as all ones\n"
"             rdy true|stuck 0|1      CSTS.RDY does not become 1, does not become 0\n"
"             cfs on|off              CSTS.CFS\n"
"             mmio true|ones          all registers read as ones\n"
"             link on|off             the device does not answer at all; on: it was reset\n"
"             mute MS                 the same for a time, and nothing was lost\n"
"             shutdown hold|done      CSTS.SHST does not become 10b, becomes 10b\n"
"             set NAME VALUE, get NAME, names\n"
"rules:       ACTION OPCODE [count=N|all] [skip=N] [qid=N] [nsid=N] [cns=N] [lid=N]\n"
"             ACTION: hold, late ms=N, status sc=N [dnr=1] [crd=N], drop, dup, badid, badsq,\n"
"             badphase, noirq, short, garbage, zero, ghost, fatal; on OPCODE ... do LINE\n"
"             OPCODE: a name (read, identify, ...), io:N, admin:N, io, admin, any\n"
"             rules, clear, fuzz SEED PERMILLE\n"
"commands:    held, release [reverse], poke, forget\n"
"             poke: DMA for commands that are held, were held when they were forgotten,\n"
"             or have ended (ghost); says how many bytes it moved\n"
"             haunt on|off: a poke at each message from QEMU; see counters\n"
"interrupts:  irq VECTOR, storm VECTOR N\n"
"events:      event ns NSID|TYPE INFO LID\n"
"namespaces:  ns NSID [size=BYTES] [lbads=N] [ms=N] [dps=N] [readonly=0|1] [nguid=N] [gone=1]\n"
"reports:     log [N], counters, counters clear, counter NAME, state\n"
"             crc NSID SLBA NLB, written NSID SLBA NLB\n";

/* ---- set and get */

static bool started;

struct setting {
	const char *name;
	uint32_t *value;
	/* or a part of CAP */
	unsigned int shift, bits;
	bool *flag;		/* or of the configuration space, before the start */
};

static const struct setting settings[] = {
	{ .name = "cap.mqes", .shift = 0, .bits = 16 },
	{ .name = "cap.cqr", .shift = 16, .bits = 1 },
	{ .name = "cap.to", .shift = 24, .bits = 8 },
	{ .name = "cap.dstrd", .shift = 32, .bits = 4 },
	{ .name = "cap.nssrs", .shift = 36, .bits = 1 },
	{ .name = "cap.css", .shift = 37, .bits = 8 },
	{ .name = "cap.mpsmin", .shift = 48, .bits = 4 },
	{ .name = "cap.mpsmax", .shift = 52, .bits = 4 },
	{ .name = "cap.crms", .shift = 59, .bits = 2 },
	{ .name = "crto", .value = &nvme.regs.crto },
	{ .name = "vs", .value = &nvme.regs.vs },
	{ .name = "rdy-ms", .value = &nvme.rdy_ms },
	{ .name = "shutdown-ms", .value = &nvme.shutdown_ms },
	{ .name = "mdts", .value = &ident.mdts },
	{ .name = "vwc", .value = &ident.vwc },
	{ .name = "oncs", .value = &ident.oncs },
	{ .name = "oacs", .value = &ident.oacs },
	{ .name = "nn", .value = &ident.nn },
	{ .name = "rtd3e", .value = &ident.rtd3e },
	{ .name = "lpa", .value = &ident.lpa },
	{ .name = "sgls", .value = &ident.sgls },
	{ .name = "oaes", .value = &ident.oaes },
	{ .name = "aerl", .value = &ident.aerl },
	{ .name = "hmpre", .value = &ident.hmpre },
	{ .name = "hmmin", .value = &ident.hmmin },
	{ .name = "cns6", .value = &ident.cns6 },
	{ .name = "wzsl", .value = &ident.wzsl },
	{ .name = "dmrsl", .value = &ident.dmrsl },
	{ .name = "effects", .value = &ident.effects },
	{ .name = "queues", .value = &ident.queues },
	{ .name = "serial", .value = &ident.serial },
	{ .name = "active-list", .value = &ident.active_list },
	{ .name = "pci.msix", .flag = &pci_options.msix },
	{ .name = "pci.msi", .flag = &pci_options.msi },
	{ .name = "pci.intx", .flag = &pci_options.intx },
	{ .name = "pci.flr", .flag = &pci_options.flr },
	{ .name = "pci.pm", .flag = &pci_options.pm },
	{ .name = "pci.vectors", .value = &pci_options.vectors },
};

#define NR_SETTINGS (sizeof(settings) / sizeof(settings[0]))

static const struct setting *setting(const char *name)
{
	size_t i;

	for (i = 0; i < NR_SETTINGS; i++)
		if (!strcmp(name, settings[i].name))
			return &settings[i];
	return NULL;
}

static uint64_t setting_get(const struct setting *s)
{
	if (s->value)
		return *s->value;
	if (s->flag)
		return *s->flag;
	return nvme.regs.cap >> s->shift & ((1ULL << s->bits) - 1);
}

static const char *setting_set(const struct setting *s, uint64_t value)
{
	uint64_t mask = ((1ULL << s->bits) - 1) << s->shift;

	if (!strncmp(s->name, "pci.", 4) && started)
		return "only before the machine starts";
	if (s->value == &pci_options.vectors && (!value || value > MAX_VECTORS))
		return "too many or too few";
	if (s->value == &ident.queues && (!value || value > MAX_QID))
		return "too many or too few";
	if (s->value == &ident.aerl && value >= MAX_AERS)
		return "too many";
	if (s->value)
		*s->value = value;
	else if (s->flag)
		*s->flag = value;
	else if (value >> s->bits)
		return "too large";
	else
		nvme.regs.cap = (nvme.regs.cap & ~mask) | value << s->shift;
	return NULL;
}

/* ---- lines */

static bool number(const char *word, uint64_t *value)
{
	char *end;

	*value = strtoull(word, &end, 0);
	if (end != word && *end && strchr("KMG", *end))
		*value <<= *end == 'K' ? 10 : *end == 'M' ? 20 : 30, end++;
	return end != word && !*end;
}

/* The numbers of a line. Return: there are exactly @n. */
static bool numbers(int argc, char **argv, int n, uint64_t *values)
{
	int i;

	if (argc - 1 != n)
		return false;
	for (i = 0; i < n; i++)
		if (!number(argv[i + 1], &values[i]))
			return false;
	return true;
}

static const char *namespace(int argc, char **argv)
{
	uint64_t nsid, value;
	struct ns *ns;
	int i;

	if (argc < 2 || !number(argv[1], &nsid) || !nsid || nsid > MAX_NSID)
		return "ns NSID [KEY=NUMBER...]";
	ns = &namespaces[nsid];
	if (!ns->exists && !ns_make(nsid, 256ULL << 20, 9))
		return "no room";
	for (i = 2; i < argc; i++) {
		char *equals = strchr(argv[i], '=');

		if (!equals || !number(equals + 1, &value))
			return "KEY=NUMBER is wrong";
		*equals = '\0';
		if (!strcmp(argv[i], "size") && ns_make(nsid, value, ns->lbads))
			continue;
		else if (!strcmp(argv[i], "lbads") && value < 64)
			ns->lbads = value;
		else if (!strcmp(argv[i], "ms"))
			ns->ms = value;
		else if (!strcmp(argv[i], "dps"))
			ns->dps = value;
		else if (!strcmp(argv[i], "readonly"))
			ns->readonly = value;
		else if (!strcmp(argv[i], "nguid"))
			ns->nguid = value;
		else if (!strcmp(argv[i], "gone"))
			ns->exists = !value;
		else
			return "an unknown key, or no such value";
	}
	return NULL;
}

static void release(bool reverse)
{
	struct cmd *list = NULL;

	while (nvme.held) {
		struct cmd *cmd = nvme.held;

		nvme.held = cmd->next;
		if (reverse) {
			cmd->next = list;
			list = cmd;
		} else {
			cmd_append(&list, cmd);
		}
	}
	while (list) {
		struct cmd *cmd = list;

		list = cmd->next;
		nvme_execute(cmd);
	}
	nvme_process();
}

static void forget_ghosts(void)
{
	while (nvme.ghosts) {
		struct cmd *cmd = nvme.ghosts;

		nvme.ghosts = cmd->next;
		cmd_free(cmd);
	}
}

static unsigned int length(const struct cmd *list)
{
	unsigned int n = 0;

	for (; list; list = list->next)
		n++;
	return n;
}

static void show_state(FILE *out)
{
	unsigned int i;

	fprintf(out, "cap=%#lx cc=%#x csts=%#x master=%d link=%s maps=%zu held=%u late=%u ghosts=%u aers=%u\n",
		nvme.regs.cap, nvme.regs.cc, nvme.regs.csts, config_is_master(),
		nvme.link_off ? "off" : "on", proto_nr_maps(), length(nvme.held),
		length(nvme.late), length(nvme.ghosts), nvme.nr_aers);
	for (i = 0; i <= MAX_QID; i++)
		if (nvme.sq[i].exists || nvme.cq[i].exists)
			fprintf(out, "queue %u: sq %u %u/%u cq %u %u/%u vector %u ien %d\n", i,
				nvme.sq[i].head, nvme.sq[i].tail, nvme.sq[i].size, nvme.cq[i].head,
				nvme.cq[i].tail, nvme.cq[i].size, nvme.cq[i].vector, nvme.cq[i].ien);
}

/* CSTS.RDY becomes what it would be without a fault. */
static void rdy_true(void)
{
	if (nvme.rdy_fault == RDY_STUCK_0 && nvme.regs.cc & 1)
		nvme.regs.csts |= 1;
	nvme.rdy_fault = RDY_TRUE;
}

/* Commands that set something. Return: NULL; an error's text; "" if it is none of these. */
static const char *line_set(int argc, char **argv)
{
	const char *arg = argc > 1 ? argv[1] : "", *error;
	const struct setting *s;
	uint64_t n[3];

#define LINE(command, argument) (!strcmp(argv[0], command) && !strcmp(arg, argument))
	if (LINE("csts", "true")) {
		nvme.csts_fault = CSTS_TRUE;
	} else if (LINE("csts", "ones")) {
		nvme.csts_fault = CSTS_ONES;
	} else if (LINE("csts", "once")) {
		nvme.csts_fault = CSTS_ONCE;
	} else if (LINE("rdy", "true")) {
		rdy_true();
	} else if (LINE("rdy", "stuck") && argc == 3) {
		nvme.rdy_fault = *argv[2] == '0' ? RDY_STUCK_0 : RDY_STUCK_1;
	} else if (LINE("cfs", "on") || LINE("cfs", "off")) {
		nvme.cfs = !strcmp(arg, "on");
	} else if (LINE("mmio", "true") || LINE("mmio", "ones")) {
		nvme.mmio_ones = !strcmp(arg, "ones");
	} else if (LINE("link", "on") || LINE("link", "off")) {
		/* A link that comes up again has reset the device. */
		if (nvme.link_off && !strcmp(arg, "on")) {
			config_reset();
			nvme_reset();
		}
		nvme.link_off = !strcmp(arg, "off");
		log_event("link %s", arg);
	} else if (!strcmp(argv[0], "mute")) {
		if (!numbers(argc, argv, 1, n))
			return "mute MS";
		nvme.mute_until = now_ms() + n[0];
		nvme.link_off = true;
	} else if (LINE("haunt", "on") || LINE("haunt", "off")) {
		nvme.haunt = !strcmp(arg, "on");
	} else if (LINE("shutdown", "hold")) {
		nvme.shutdown_hold = true;
	} else if (LINE("shutdown", "done")) {
		nvme.shutdown_hold = false;
		nvme.shst_at = (nvme.regs.csts & 0xc) == 0x4 ? now_ms() : 0;
		nvme_timers();
	} else if (!strcmp(argv[0], "set")) {
		s = setting(arg);
		if (argc != 3 || !s || !number(argv[2], &n[0]))
			return "set NAME NUMBER (see names)";
		error = setting_set(s, n[0]);
		if (error)
			return error;
	} else if (!strcmp(argv[0], "ns")) {
		return namespace(argc, argv);
	} else if (!strcmp(argv[0], "fuzz")) {
		if (!numbers(argc, argv, 2, n))
			return "fuzz SEED PERMILLE";
		faults_fuzz(n[0], n[1]);
	} else if (!strcmp(argv[0], "clear")) {
		faults_clear();
		nvme.csts_fault = CSTS_TRUE;
		rdy_true();
		nvme.cfs = nvme.link_off = nvme.mmio_ones = nvme.shutdown_hold = nvme.haunt = false;
		nvme.mute_until = 0;
	} else if (!strcmp(argv[0], "forget")) {
		forget_ghosts();
	} else {
		return "";
	}
	return NULL;
}

/* Commands that do something, or ask. */
static const char *line_do(int argc, char **argv, FILE *out)
{
	const char *arg = argc > 1 ? argv[1] : "";
	uint64_t n[3], done, refused;
	unsigned int min, max;
	uint32_t crc;
	size_t i;

	if (!strcmp(argv[0], "help")) {
		fputs(help_text, out);
	} else if (!strcmp(argv[0], "names")) {
		for (i = 0; i < NR_SETTINGS; i++)
			fprintf(out, "%s=%lu\n", settings[i].name, setting_get(&settings[i]));
	} else if (!strcmp(argv[0], "get")) {
		if (argc != 2 || !setting(arg))
			return "get NAME (see names)";
		fprintf(out, "%lu\n", setting_get(setting(arg)));
	} else if (!strcmp(argv[0], "release")) {
		release(LINE("release", "reverse"));
	} else if (!strcmp(argv[0], "held")) {
		fprintf(out, "%u\n", length(nvme.held));
	} else if (!strcmp(argv[0], "poke")) {
		faults_poke(&done, &refused);
		fprintf(out, "done=%lu refused=%lu\n", done, refused);
	} else if (!strcmp(argv[0], "irq")) {
		if (!numbers(argc, argv, 1, n))
			return "irq VECTOR";
		nvme_storm(n[0], 1);
	} else if (!strcmp(argv[0], "storm")) {
		if (!numbers(argc, argv, 2, n))
			return "storm VECTOR N";
		nvme_storm(n[0], n[1]);
	} else if (LINE("event", "ns")) {
		if (argc != 3 || !number(argv[2], &n[0]) || !n[0] || n[0] > MAX_NSID)
			return "event ns NSID";
		ns_changed(n[0]);
		nvme_event(2, 0, 4);
	} else if (!strcmp(argv[0], "event")) {
		if (!numbers(argc, argv, 3, n))
			return "event ns NSID, or event TYPE INFO LID";
		nvme_event(n[0], n[1], n[2]);
	} else if (!strcmp(argv[0], "rules")) {
		faults_show(out);
	} else if (!strcmp(argv[0], "log")) {
		n[0] = 50;
		if (argc > 2 || (argc == 2 && !number(arg, &n[0])))
			return "log [LINES]";
		log_show(out, n[0]);
	} else if (LINE("counters", "clear")) {
		counters_clear();
	} else if (!strcmp(argv[0], "counters")) {
		counters_show(out);
	} else if (!strcmp(argv[0], "counter")) {
		if (argc != 2 || !counter_find(arg, &n[0]))
			return "counter NAME (see counters)";
		fprintf(out, "%lu\n", n[0]);
	} else if (!strcmp(argv[0], "state")) {
		show_state(out);
	} else if (!strcmp(argv[0], "crc")) {
		if (!numbers(argc, argv, 3, n) || !io_crc(n[0], n[1], n[2], &crc))
			return "crc NSID SLBA NLB";
		fprintf(out, "%08x\n", crc);
	} else if (!strcmp(argv[0], "written")) {
		if (!numbers(argc, argv, 3, n) || !io_written(n[0], n[1], n[2], &min, &max))
			return "written NSID SLBA NLB";
		fprintf(out, "min=%u max=%u\n", min, max);
	} else {
		return faults_add(argc, argv);
	}
	return NULL;
}
#undef LINE

void script_start(void)
{
	started = true;
}

bool script_line(const char *line, FILE *out)
{
	char *copy = strdup(line), *argv[MAX_WORDS + 1], *save = NULL, *word;
	const char *error = NULL;
	int argc = 0;

	for (word = copy ? strtok_r(copy, " \t\n", &save) : NULL; word && argc < MAX_WORDS;
	     word = strtok_r(NULL, " \t\n", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	if (argc) {
		error = line_set(argc, argv);
		if (error && !*error)
			error = line_do(argc, argv, out);
		if (error)
			fprintf(out, "%s: %s\n", line, error);
	}
	free(copy);
	return !error;
}
