// SPDX-License-Identifier: GPL-2.0
/*
 * Rules: what is to go wrong with which command. Each applies to so many
 * commands that match it; several may apply to one command. And the fuzz mode,
 * random but repeatable.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "vfu.h"

#define MAX_RULES	64

enum action { HOLD, LATE, STATUS, FATAL, DO, FLAGS };

struct rule {
	enum action action;
	int io, opcode;		/* -1: all */
	uint32_t nsid;		/* 0: all */
	int qid;		/* -1: all */
	int cns;		/* CNS of Identify, LID of Get Log Page; -1: all */
	uint32_t skip, every, seen;	/* each Nth of those behind the first */
	uint32_t left;		/* commands that it still applies to, ~0: all */
	uint32_t flags;		/* F_... */
	uint32_t ms;
	uint16_t status;
	bool after;		/* STATUS: the data are moved before */
	char *line;		/* DO */
};

static struct rule rules[MAX_RULES];
static unsigned int nr_rules;
static uint32_t seed = 1, fuzz_permille;
static bool fuzz_honest;

static const struct { const char *name; enum action action; uint32_t flags; } actions[] = {
	{ "hold", HOLD, 0 }, { "late", LATE, 0 }, { "status", STATUS, 0 }, { "fatal", FATAL, 0 },
	{ "on", DO, 0 }, { "drop", FLAGS, F_DROP }, { "dup", FLAGS, F_DUP },
	{ "badid", FLAGS, F_BADID }, { "badsq", FLAGS, F_BADSQ }, { "badphase", FLAGS, F_BADPHASE },
	{ "noirq", FLAGS, F_NOIRQ }, { "short", FLAGS, F_SHORT }, { "garbage", FLAGS, F_GARBAGE },
	{ "zero", FLAGS, F_ZERO }, { "ghost", FLAGS, F_GHOST }, { "again", FLAGS, F_AGAIN },
	{ "badsqhd", FLAGS, F_BADSQHD }, { "badirq", FLAGS, F_BADIRQ },
};

static const struct { const char *name; bool io; uint8_t opcode; } opcodes[] = {
	{ "flush", true, 0x00 }, { "write", true, 0x01 }, { "read", true, 0x02 },
	{ "compare", true, 0x05 }, { "write-zeroes", true, 0x08 }, { "dsm", true, 0x09 },
	{ "delete-sq", false, 0x00 }, { "create-sq", false, 0x01 }, { "get-log", false, 0x02 },
	{ "delete-cq", false, 0x04 }, { "create-cq", false, 0x05 }, { "identify", false, 0x06 },
	{ "abort", false, 0x08 }, { "set-features", false, 0x09 }, { "get-features", false, 0x0a },
	{ "aer", false, 0x0c }, { "dbbuf", false, 0x7c }, { "format", false, 0x80 },
};

uint32_t faults_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed;
}

void faults_fuzz(uint32_t new_seed, uint32_t permille, bool honest)
{
	seed = new_seed ? new_seed : 1;
	fuzz_permille = permille;
	fuzz_honest = honest;
}

const char *opcode_name(bool io, uint8_t opcode)
{
	static char name[16];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(opcodes); i++)
		if (opcodes[i].io == io && opcodes[i].opcode == opcode)
			return opcodes[i].name;
	snprintf(name, sizeof(name), "%s:%#04x", io ? "io" : "admin", opcode);
	return name;
}

bool opcode_parse(const char *word, int *io, int *opcode)
{
	const char *colon = strchr(word, ':');
	char *end;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		if (!strcmp(word, opcodes[i].name)) {
			*io = opcodes[i].io;
			*opcode = opcodes[i].opcode;
			return true;
		}
	}
	*opcode = -1;
	*io = -1;
	if (!strcmp(word, "any"))
		return true;
	if (!strncmp(word, "io", 2))
		*io = 1;
	else if (!strncmp(word, "admin", 5))
		*io = 0;
	else
		return false;
	if (!colon)
		return !strcmp(word, *io ? "io" : "admin");
	*opcode = strtoul(colon + 1, &end, 0);
	return end != colon + 1 && !*end && *opcode < 256;
}

static bool key(struct rule *r, const char *word, bool *dnr)
{
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : 0;
	unsigned long value;
	char *end;

	if (!equals)
		return false;
	if (!strcmp(word, "count=all")) {
		r->left = ~0U;
		return true;
	}
	value = strtoul(equals + 1, &end, 0);
	if (end == equals + 1 || *end)
		return false;
#define IS(name) (len == sizeof(name) - 1 && !strncmp(word, name, len))
	if (IS("count"))
		r->left = value;
	else if (IS("skip"))
		r->skip = value;
	else if (IS("every"))
		r->every = value;
	else if (IS("after"))
		r->after = value;
	else if (IS("short") || IS("garbage"))
		r->flags |= !value ? 0 : *word == 's' ? F_SHORT : F_GARBAGE;
	else if (IS("nsid"))
		r->nsid = value;
	else if (IS("qid"))
		r->qid = value;
	else if (IS("cns") || IS("lid"))
		r->cns = value;
	else if (IS("ms"))
		r->ms = value;
	else if (IS("sc"))
		r->status |= value;
	else if (IS("crd"))
		r->status |= (value & 3) << 11;
	else if (IS("dnr"))
		*dnr = value;
	else
		return false;
#undef IS
	return true;
}

/* The line behind "do", with single blanks. */
static char *rest(int argc, char **argv)
{
	size_t len = 1;
	char *line;
	int i;

	for (i = 0; i < argc; i++)
		len += strlen(argv[i]) + 1;
	line = calloc(1, len);
	if (!line)
		err(1, "memory");
	for (i = 0; i < argc; i++) {
		strcat(line, argv[i]);
		if (i < argc - 1)
			strcat(line, " ");
	}
	return line;
}

const char *faults_add(int argc, char **argv)
{
	struct rule r = { .nsid = 0, .qid = -1, .cns = -1, .left = 1 };
	bool dnr = false;
	size_t a;
	int i;

	for (a = 0; a < ARRAY_SIZE(actions); a++)
		if (!strcmp(argv[0], actions[a].name))
			break;
	if (a == ARRAY_SIZE(actions))
		return "not a command";
	r.action = actions[a].action;
	r.flags = actions[a].flags;
	if (argc < 2 || !opcode_parse(argv[1], &r.io, &r.opcode))
		return "an opcode is missing or unknown";
	for (i = 2; i < argc; i++) {
		if (r.action == DO && !strcmp(argv[i], "do")) {
			r.line = rest(argc - i - 1, argv + i + 1);
			break;
		}
		if (!key(&r, argv[i], &dnr)) {
			free(r.line);
			return "KEY=NUMBER is wrong or unknown";
		}
	}
	if (dnr)
		r.status |= SC_DNR;
	if (r.action == DO && !r.line)
		return "\"do LINE\" is missing";
	if (nr_rules == MAX_RULES)
		return "too many rules";
	rules[nr_rules++] = r;
	return NULL;
}

static void remove_rule(unsigned int i)
{
	free(rules[i].line);
	memmove(rules + i, rules + i + 1, (--nr_rules - i) * sizeof(rules[0]));
}

void faults_clear(void)
{
	while (nr_rules)
		remove_rule(0);
	fuzz_permille = 0;
}

void faults_show(FILE *out)
{
	unsigned int i, a;

	for (i = 0; i < nr_rules; i++) {
		const struct rule *r = &rules[i];

		for (a = 0; actions[a].action != r->action || actions[a].flags != r->flags; a++)
			;
		fprintf(out, "%s io=%d opcode=%d skip=%u left=%d\n", actions[a].name, r->io,
			r->opcode, r->skip, (int)r->left);
	}
}

static bool matches(const struct rule *r, const struct cmd *cmd)
{
	return (r->io < 0 || r->io == (cmd->sqid != ADMIN)) &&
	       (r->opcode < 0 || r->opcode == cmd->sqe.opcode) &&
	       (!r->nsid || r->nsid == cmd->sqe.nsid) &&
	       (r->qid < 0 || r->qid == cmd->sqid) &&
	       (r->cns < 0 || r->cns == (int)(cmd->sqe.cdw10 & 0xff));
}

/* Where its data are, now that the host has not yet been told of its end. */
static void resolve(struct cmd *cmd)
{
	bool to_host;
	uint64_t len = cmd->sqid == ADMIN ? admin_length(cmd, &to_host) :
					    io_length(cmd, &to_host);

	if (len)
		dptr_resolve(cmd, len, to_host);
}

static void fuzz(struct cmd *cmd)
{
	static const uint32_t flags[] = {
		F_DROP, F_DUP, F_BADID, F_BADSQ, F_NOIRQ,
		/* not honest: */ F_SHORT, F_GARBAGE, F_ZERO,
	};
	uint32_t which = faults_random() % (ARRAY_SIZE(flags) + 2 - (fuzz_honest ? 3 : 0));

	/* An event may be asked for at any time. */
	if (cmd->sqid == ADMIN && cmd->sqe.opcode == 0x0c)
		return;
	if (which == 0) {
		cmd->status = (faults_random() & 0x47ff) | fuzz_honest;
		cmd->forced = true;
	} else if (which == 1) {
		cmd->due = now_ms() + faults_random() % 100;
	} else {
		cmd->faults |= flags[which - 2];
	}
	count(C_INJECTED);
	log_event("fuzz: %s: status %#x late %d faults %#x",
		  opcode_name(cmd->sqid != ADMIN, cmd->sqe.opcode), cmd->status, cmd->due != 0,
		  cmd->faults);
}

/* Return: the command is held. */
static bool apply(const struct rule *r, struct cmd *cmd)
{
	FILE *out;

	switch (r->action) {
	case HOLD:
		resolve(cmd);
		return true;
	case LATE:
		resolve(cmd);
		cmd->due = now_ms() + r->ms;
		break;
	case STATUS:
		if (r->after) {
			cmd->status_after = r->status;
			cmd->faults |= F_AFTER | r->flags;
		} else {
			cmd->status = r->status;
			cmd->forced = true;
		}
		break;
	case FATAL:
		nvme_fatal("the script said so");
		cmd->faults |= F_DROP;
		break;
	case DO:
		out = fopen("/dev/null", "w");
		if (!out)
			err(1, "/dev/null");
		script_line(r->line, out);
		fclose(out);
		break;
	case FLAGS:
		cmd->faults |= r->flags;
		if (r->flags & F_GHOST)
			resolve(cmd);
		break;
	}
	return false;
}

bool faults_match(struct cmd *cmd)
{
	bool held = false;
	unsigned int i;

	if (fuzz_permille && faults_random() % 1000 < fuzz_permille)
		fuzz(cmd);
	for (i = 0; i < nr_rules;) {
		struct rule r = rules[i];

		if (!matches(&r, cmd)) {
			i++;
			continue;
		}
		if (r.skip) {
			rules[i++].skip--;
			continue;
		}
		if (r.every && rules[i].seen++ % r.every) {
			i++;
			continue;
		}
		count(C_INJECTED);
		if (r.line) {
			r.line = strdup(r.line);
			if (!r.line)
				err(1, "memory");
		}
		/* Before it is applied: its line may add or remove rules. */
		if (r.left != ~0U && !--rules[i].left)
			remove_rule(i);
		else
			i++;
		held |= apply(&r, cmd);
		free(r.line);
		if (i > nr_rules)
			i = nr_rules;
	}
	if (held) {
		log_event("held: %s", opcode_name(cmd->sqid != ADMIN, cmd->sqe.opcode));
		cmd_append(&nvme.held, cmd);
	}
	return held;
}

static void poke(const struct cmd *cmd, struct seg s, uint64_t *done, uint64_t *refused)
{
	uint8_t data[4096];
	uint32_t part;

	/* Unmapped. What has been mapped there since is somebody else's. */
	if (proto_map_serial(s.addr) != s.map) {
		*refused += s.len;
		return;
	}
	for (; s.len; s.addr += part, s.len -= part) {
		part = s.len < sizeof(data) ? s.len : sizeof(data);
		memset(data, 0xdb, part);
		if (dma_try(s.addr, data, part, cmd->to_host) == DMA_DONE)
			*done += part;
		else
			*refused += part;
	}
}

static void poke_list(const struct cmd *cmd, uint64_t *done, uint64_t *refused)
{
	unsigned int i;

	for (; cmd; cmd = cmd->next)
		for (i = 0; i < cmd->nr_segs; i++)
			poke(cmd, cmd->segs[i], done, refused);
}

void faults_poke(uint64_t *done, uint64_t *refused)
{
	*done = *refused = 0;
	poke_list(nvme.held, done, refused);
	poke_list(nvme.ghosts, done, refused);
}
