// SPDX-License-Identifier: GPL-2.0
/* The script language: one line, one command (see help()). */
#include <stdlib.h>
#include <string.h>

#include "vfu.h"

#define MAX_WORDS	32

static const char help_text[] =
"registers:   csts true|ones|once     CSTS reads as it is, as all ones, once as all ones\n"
"             rdy true|stuck 0|1      CSTS.RDY does not become 1, does not become 0\n"
"             cfs on|off|once         CSTS.CFS; once: until CC.EN = 0\n"
"             nssr                    an NVM subsystem reset that nobody here asked for\n"
"             pause MS                no command is fetched for so long\n"
"             mmio true|ones          all registers read as ones\n"
"             link on|off             the device does not answer at all; on: it was reset\n"
"             mute MS                 the same for a time, from the next read of a register\n"
"                                     on, and nothing was lost\n"
"             shutdown hold|done      CSTS.SHST does not become 10b, becomes 10b\n"
"             set NAME VALUE, get NAME, names\n"
"rules:       ACTION OPCODE [count=N|all] [skip=N] [every=N] [qid=N] [nsid=N] [cns=N] [lid=N]\n"
"             ACTION: hold, late ms=N, status sc=N [dnr=1] [crd=N], drop, dup, again, badid,\n"
"             badsq, badsqhd, badphase, noirq, badirq, short, garbage, zero, ghost, fatal;\n"
"             on OPCODE ... do LINE; status ... after=1 [short=1] [garbage=1]: once the data\n"
"             have been moved, or half of them, or others\n"
"             OPCODE: a name (read, identify, ...), io:N, admin:N, io, admin, any\n"
"             rules, clear, fuzz SEED PERMILLE [honest]: nothing that a host cannot notice\n"
"commands:    held, release [reverse], poke, forget\n"
"             poke: DMA for commands that are held, were held when they were forgotten,\n"
"             or have ended (ghost); says how many bytes it moved\n"
"             haunt on|off: a poke at each message from QEMU; see counters\n"
"interrupts:  irq VECTOR, storm VECTOR N\n"
"events:      event ns NSID|TYPE INFO LID\n"
"namespaces:  ns NSID [size=BYTES] [lbads=N] [ms=N] [dps=N] [readonly=0|1] [nguid=N] [gone=1]\n"
"             [nsze=N]: what Identify says, if not the truth\n"
"             [nawun=N] [nawupf=N] [nabsn=N] [nabspf=N] [nabo=N]: atomic writes\n"
"reports:     log [N], counters, counters clear, counter NAME, state\n"
"             crc NSID SLBA NLB, written NSID SLBA NLB\n"
"             feature FID, apst: FROM:TO@MS..., hmb [poke]: it writes to the host memory\n"
"             buffer that it got last, enabled or not; haunt does it, too\n"
"             stamps NSID SLBA NLB, stamps off: what is written there has to be stamped\n"
"             blocks (stamp.h), newer ones than before; see counters\n";

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
	{ .name = "cap.cmbs", .shift = 57, .bits = 1 },
	{ .name = "cap.crms", .shift = 59, .bits = 2 },
	{ .name = "cmbloc", .value = &nvme.regs.cmbloc },
	{ .name = "cmbsz", .value = &nvme.regs.cmbsz },
	{ .name = "crto", .value = &nvme.regs.crto },
	{ .name = "vs", .value = &nvme.regs.vs },
	{ .name = "rdy-ms", .value = &nvme.rdy_ms },
	{ .name = "shutdown-ms", .value = &nvme.shutdown_ms },
	{ .name = "mdts", .value = &ident.mdts },
	{ .name = "crdt1", .value = &ident.crdt[0] }, { .name = "crdt2", .value = &ident.crdt[1] },
	{ .name = "crdt3", .value = &ident.crdt[2] },
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
	{ .name = "hmminds", .value = &ident.hmminds },
	{ .name = "hmmaxd", .value = &ident.hmmaxd },
	{ .name = "npss", .value = &ident.npss },
	{ .name = "apsta", .value = &ident.apsta },
	{ .name = "wctemp", .value = &ident.wctemp },
	{ .name = "cctemp", .value = &ident.cctemp },
	{ .name = "mtfa", .value = &ident.mtfa },
	{ .name = "awun", .value = &ident.awun },
	{ .name = "awupf", .value = &ident.awupf },
	{ .name = "revision", .value = &ident.revision },
	{ .name = "smart.warning", .value = &health.warning },
	{ .name = "smart.kelvin", .value = &health.kelvin },
	{ .name = "smart.sensor1", .value = &health.sensor1 },
	{ .name = "smart.sensor3", .value = &health.sensor3 },
	{ .name = "smart.spare", .value = &health.spare },
	{ .name = "smart.used", .value = &health.used },
	{ .name = "smart.media-errors", .value = &health.media_errors },
	{ .name = "smart.errors", .value = &health.errors },
	{ .name = "csts.pp", .value = &nvme.pp },
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
	{ .name = "pci.cmb", .flag = &pci_options.cmb },
	{ .name = "pci.pm", .flag = &pci_options.pm },
	{ .name = "pci.msix-table", .value = &pci_options.msix_table },
	{ .name = "pci.vectors", .value = &pci_options.vectors },
	{ .name = "pci.vendor", .value = &pci_options.vendor },
	{ .name = "pci.device", .value = &pci_options.device },
};

static const struct setting *setting(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(settings); i++)
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
	if (s->value) {
		*s->value = value;
		return NULL;
	}
	if (s->flag) {
		*s->flag = value;
		return NULL;
	}
	if (value >> s->bits)
		return "too large";
	nvme.regs.cap = (nvme.regs.cap & ~mask) | value << s->shift;
	return NULL;
}

/* ---- lines */

static bool number(const char *word, uint64_t *value)
{
	static const char units[] = "KMG";
	const char *unit;
	char *end;

	*value = strtoull(word, &end, 0);
	unit = *end ? strchr(units, *end) : NULL;
	if (end != word && unit) {
		*value <<= 10 * (unit - units + 1);
		end++;
	}
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

/* What a namespace says of atomic writes. */
static bool ns_set_atomic(struct ns *ns, const char *name, uint64_t value)
{
	const struct { const char *name; uint16_t *value; } fields[] = {
		{ "nawun", &ns->nawun }, { "nawupf", &ns->nawupf }, { "nabsn", &ns->nabsn },
		{ "nabspf", &ns->nabspf }, { "nabo", &ns->nabo },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (strcmp(name, fields[i].name))
			continue;
		*fields[i].value = value;
		return value <= UINT16_MAX;
	}
	return false;
}

static bool ns_set(unsigned int nsid, const char *name, uint64_t value)
{
	struct ns *ns = &namespaces[nsid];

	if (!strcmp(name, "size"))
		return ns_make(nsid, value, ns->lbads);
	if (!strcmp(name, "lbads"))
		ns->lbads = value & 63;
	else if (!strcmp(name, "ms"))
		ns->ms = value;
	else if (!strcmp(name, "dps"))
		ns->dps = value;
	else if (!strcmp(name, "readonly"))
		ns->readonly = value;
	else if (!strcmp(name, "nsze"))
		ns->nsze = value;
	else if (!strcmp(name, "nguid"))
		ns->nguid = value;
	else if (!strcmp(name, "gone"))
		ns->exists = !value;
	else
		return ns_set_atomic(ns, name, value);
	return true;
}

static const char *do_ns(int argc, char **argv, FILE *out)
{
	uint64_t nsid, value;
	char *equals;
	int i;

	if (argc < 2 || !number(argv[1], &nsid) || !nsid || nsid > MAX_NSID)
		return "ns NSID [KEY=NUMBER...]";
	if (!namespaces[nsid].exists && !ns_make(nsid, 256ULL << 20, 9))
		return "no room";
	for (i = 2; i < argc; i++) {
		equals = strchr(argv[i], '=');
		if (!equals || !number(equals + 1, &value))
			return "KEY=NUMBER is wrong";
		*equals = '\0';
		if (!ns_set(nsid, argv[i], value))
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

	fprintf(out, "cap=%#lx cc=%#x csts=%#x master=%d link=%s maps=%zu ", nvme.regs.cap,
		nvme.regs.cc, nvme.regs.csts, config_is_master(), nvme.link_off ? "off" : "on",
		proto_nr_maps());
	fprintf(out, "held=%u late=%u ghosts=%u aers=%u\n", length(nvme.held), length(nvme.late),
		length(nvme.ghosts), nvme.nr_aers);
	for (i = 0; i <= MAX_QID; i++) {
		const struct queue *sq = &nvme.sq[i], *cq = &nvme.cq[i];

		if (sq->exists || cq->exists)
			fprintf(out, "queue %u: sq %u %u/%u cq %u %u/%u vector %u ien %d\n", i,
				sq->head, sq->tail, sq->size, cq->head, cq->tail, cq->size,
				cq->vector, cq->ien);
	}
}

/* CSTS.RDY becomes what it would be without a fault. */
static void rdy_true(void)
{
	if (nvme.rdy_fault == RDY_STUCK_0 && nvme.regs.cc & 1)
		nvme.regs.csts |= 1;
	nvme.rdy_fault = RDY_TRUE;
}

/*
 * The commands, one function each: argv[0] is its name, argv[argc] NULL.
 * Return: NULL, or what is wrong with the line.
 */

/* "on" or "off", or what else stands for these. */
static const char *flag(int argc, char **argv, const char *on, const char *off, bool *value)
{
	if (argc != 2 || (strcmp(argv[1], on) && strcmp(argv[1], off)))
		return "which of the two?";
	*value = !strcmp(argv[1], on);
	return NULL;
}

static const char *do_csts(int argc, char **argv, FILE *out)
{
	static const char *const words[] = {
		[CSTS_TRUE] = "true", [CSTS_ONES] = "ones", [CSTS_ONCE] = "once",
	};
	size_t i;

	for (i = 0; argc == 2 && i < ARRAY_SIZE(words); i++) {
		if (!strcmp(argv[1], words[i])) {
			nvme.csts_fault = i;
			return NULL;
		}
	}
	return "csts true|ones|once";
}

static const char *do_rdy(int argc, char **argv, FILE *out)
{
	if (argc == 2 && !strcmp(argv[1], "true"))
		rdy_true();
	else if (argc == 3 && !strcmp(argv[1], "stuck") && !strcmp(argv[2], "0"))
		nvme.rdy_fault = RDY_STUCK_0;
	else if (argc == 3 && !strcmp(argv[1], "stuck") && !strcmp(argv[2], "1"))
		nvme.rdy_fault = RDY_STUCK_1;
	else
		return "rdy true|stuck 0|stuck 1";
	return NULL;
}

static const char *do_cfs(int argc, char **argv, FILE *out)
{
	nvme.cfs_once = argc == 2 && !strcmp(argv[1], "once");
	if (nvme.cfs_once) {
		nvme.cfs = true;
		return NULL;
	}
	return flag(argc, argv, "on", "off", &nvme.cfs);
}

static const char *do_mmio(int argc, char **argv, FILE *out)
{
	return flag(argc, argv, "ones", "true", &nvme.mmio_ones);
}

static const char *do_haunt(int argc, char **argv, FILE *out)
{
	return flag(argc, argv, "on", "off", &nvme.haunt);
}

/* A link that comes up again has reset the device. */
static void link_up(void)
{
	nvme.link_off = false;
	config_reset();
	nvme_reset();
}

static const char *do_link(int argc, char **argv, FILE *out)
{
	bool was = nvme.link_off;
	const char *error = flag(argc, argv, "off", "on", &nvme.link_off);

	if (error)
		return error;
	if (was && !nvme.link_off)
		link_up();
	nvme.mute_until = 0;
	log_event("link %s", argv[1]);
	return NULL;
}

static const char *do_mute(int argc, char **argv, FILE *out)
{
	uint64_t ms;

	if (!numbers(argc, argv, 1, &ms))
		return "mute MS";
	nvme.mute_ms = ms;
	return NULL;
}

static const char *do_shutdown(int argc, char **argv, FILE *out)
{
	const char *error = flag(argc, argv, "hold", "done", &nvme.shutdown_hold);

	if (error || nvme.shutdown_hold)
		return error;
	nvme.shst_at = (nvme.regs.csts & 0xc) == 0x4 ? now_ms() : 0;
	nvme_timers();
	return NULL;
}

static const char *do_set(int argc, char **argv, FILE *out)
{
	const struct setting *s = argc == 3 ? setting(argv[1]) : NULL;
	uint64_t value;

	if (!s || !number(argv[2], &value))
		return "set NAME NUMBER (see names)";
	return setting_set(s, value);
}

static const char *do_get(int argc, char **argv, FILE *out)
{
	const struct setting *s = argc == 2 ? setting(argv[1]) : NULL;

	if (!s)
		return "get NAME (see names)";
	fprintf(out, "%lu\n", setting_get(s));
	return NULL;
}

static const char *do_names(int argc, char **argv, FILE *out)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(settings); i++)
		fprintf(out, "%s=%lu\n", settings[i].name, setting_get(&settings[i]));
	return NULL;
}

static const char *do_fuzz(int argc, char **argv, FILE *out)
{
	uint64_t n[2];

	bool honest = argc == 4 && !strcmp(argv[3], "honest");

	if (!numbers(argc - honest, argv, 2, n))
		return "fuzz SEED PERMILLE [honest]";
	faults_fuzz(n[0], n[1], honest);
	return NULL;
}

static const char *do_rules(int argc, char **argv, FILE *out)
{
	faults_show(out);
	return NULL;
}

static const char *do_clear(int argc, char **argv, FILE *out)
{
	faults_clear();
	rdy_true();
	nvme.csts_fault = CSTS_TRUE;
	nvme.cfs = false;
	nvme.cfs_once = false;
	/* Silent for a moment only: nothing was lost. */
	if (nvme.mute_until)
		nvme.link_off = false;
	if (nvme.link_off)
		link_up();
	nvme.mmio_ones = false;
	nvme.shutdown_hold = false;
	nvme.haunt = false;
	nvme.mute_ms = 0;
	nvme.mute_until = 0;
	nvme_pause(0);
	return NULL;
}

static const char *do_held(int argc, char **argv, FILE *out)
{
	fprintf(out, "%u\n", length(nvme.held));
	return NULL;
}

static const char *do_release(int argc, char **argv, FILE *out)
{
	bool reverse = argc == 2 && !strcmp(argv[1], "reverse");

	if (argc > 2 || (argc == 2 && !reverse))
		return "release [reverse]";
	release(reverse);
	return NULL;
}

static const char *do_poke(int argc, char **argv, FILE *out)
{
	uint64_t done, refused;

	faults_poke(&done, &refused);
	fprintf(out, "done=%lu refused=%lu\n", done, refused);
	return NULL;
}

static const char *do_forget(int argc, char **argv, FILE *out)
{
	forget_ghosts();
	return NULL;
}

static const char *do_irq(int argc, char **argv, FILE *out)
{
	uint64_t vector;

	if (!numbers(argc, argv, 1, &vector))
		return "irq VECTOR";
	nvme_storm(vector, 1);
	return NULL;
}

static const char *do_storm(int argc, char **argv, FILE *out)
{
	uint64_t n[2];

	if (!numbers(argc, argv, 2, n))
		return "storm VECTOR N";
	nvme_storm(n[0], n[1]);
	return NULL;
}

static const char *do_event(int argc, char **argv, FILE *out)
{
	uint64_t n[3];

	if (argc == 3 && !strcmp(argv[1], "ns")) {
		if (!number(argv[2], &n[0]) || !n[0] || n[0] > MAX_NSID)
			return "event ns NSID";
		ns_changed(n[0]);
		nvme_event(2, 0, 4);
		return NULL;
	}
	if (!numbers(argc, argv, 3, n))
		return "event ns NSID, or event TYPE INFO LID";
	nvme_event(n[0], n[1], n[2]);
	return NULL;
}

static const char *do_log(int argc, char **argv, FILE *out)
{
	uint64_t lines = 50;

	if (argc > 2 || (argc == 2 && !number(argv[1], &lines)))
		return "log [LINES]";
	log_show(out, lines);
	return NULL;
}

static const char *do_counters(int argc, char **argv, FILE *out)
{
	if (argc == 1)
		counters_show(out);
	else if (argc == 2 && !strcmp(argv[1], "clear"))
		counters_clear();
	else
		return "counters [clear]";
	return NULL;
}

static const char *do_counter(int argc, char **argv, FILE *out)
{
	uint64_t value;

	if (argc != 2 || !counter_find(argv[1], &value))
		return "counter NAME (see counters)";
	fprintf(out, "%lu\n", value);
	return NULL;
}

static const char *do_state(int argc, char **argv, FILE *out)
{
	show_state(out);
	return NULL;
}

static const char *do_crc(int argc, char **argv, FILE *out)
{
	uint64_t n[3];
	uint32_t crc;

	if (!numbers(argc, argv, 3, n) || !io_crc(n[0], n[1], n[2], &crc))
		return "crc NSID SLBA NLB";
	fprintf(out, "%08x\n", crc);
	return NULL;
}

static const char *do_written(int argc, char **argv, FILE *out)
{
	unsigned int min, max;
	uint64_t n[3];

	if (!numbers(argc, argv, 3, n) || !io_written(n[0], n[1], n[2], &min, &max))
		return "written NSID SLBA NLB";
	fprintf(out, "min=%u max=%u\n", min, max);
	return NULL;
}

static const char *do_feature(int argc, char **argv, FILE *out)
{
	uint64_t fid;

	if (!numbers(argc, argv, 1, &fid) || fid > 0xff)
		return "feature FID";
	fprintf(out, "%#x\n", admin_feature(fid));
	return NULL;
}

static const char *do_apst(int argc, char **argv, FILE *out)
{
	admin_show_apst(out);
	return NULL;
}

static const char *do_hmb(int argc, char **argv, FILE *out)
{
	uint64_t done = 0, refused = 0;

	if (argc == 1) {
		hmb_show(out);
		return NULL;
	}
	if (argc != 2 || strcmp(argv[1], "poke"))
		return "hmb [poke]";
	hmb_poke(&done, &refused);
	fprintf(out, "done=%lu refused=%lu\n", done, refused);
	return NULL;
}

static const char *do_nssr(int argc, char **argv, FILE *out)
{
	nvme_subsystem_reset();
	return NULL;
}

static const char *do_pause(int argc, char **argv, FILE *out)
{
	uint64_t ms;

	if (!numbers(argc, argv, 1, &ms))
		return "pause MS";
	nvme_pause(ms);
	return NULL;
}

static const char *do_stamps(int argc, char **argv, FILE *out)
{
	uint64_t n[3];

	if (argc == 2 && !strcmp(argv[1], "off"))
		stamps_off();
	else if (!numbers(argc, argv, 3, n) || !stamps_on(n[0], n[1], n[2]))
		return "stamps NSID SLBA NLB, or stamps off";
	return NULL;
}

static const char *do_help(int argc, char **argv, FILE *out)
{
	fputs(help_text, out);
	return NULL;
}

static const struct {
	const char *name;
	const char *(*carry_out)(int argc, char **argv, FILE *out);
} commands[] = {
	{ "apst", do_apst }, { "cfs", do_cfs }, { "clear", do_clear }, { "counter", do_counter },
	{ "counters", do_counters }, { "crc", do_crc }, { "csts", do_csts },
	{ "event", do_event }, { "feature", do_feature }, { "forget", do_forget },
	{ "fuzz", do_fuzz }, { "get", do_get }, { "haunt", do_haunt }, { "held", do_held },
	{ "help", do_help }, { "hmb", do_hmb }, { "irq", do_irq },
	{ "link", do_link }, { "log", do_log }, { "mmio", do_mmio }, { "mute", do_mute },
	{ "names", do_names }, { "ns", do_ns }, { "nssr", do_nssr }, { "pause", do_pause },
	{ "poke", do_poke }, { "rdy", do_rdy }, { "release", do_release }, { "rules", do_rules },
	{ "set", do_set }, { "shutdown", do_shutdown }, { "stamps", do_stamps },
	{ "state", do_state }, { "storm", do_storm },
	{ "written", do_written },
};

/* What is none of these may be a rule. */
static const char *carry_out(int argc, char **argv, FILE *out)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[0], commands[i].name))
			return commands[i].carry_out(argc, argv, out);
	return faults_add(argc, argv);
}

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
	if (argc)
		error = carry_out(argc, argv, out);
	if (error)
		fprintf(out, "%s: %s\n", line, error);
	free(copy);
	return !error;
}
