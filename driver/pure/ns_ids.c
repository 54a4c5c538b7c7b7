// SPDX-License-Identifier: GPL-2.0
/* Parsing and comparing the identifiers of a namespace. */
#include "pure/ns_ids.h"

/* Layout and types of a Namespace Identification Descriptor. */
#define NID_TYPE	0
#define NID_LENGTH	1
#define NID_DATA	4

#define NID_EUI64	1
#define NID_NGUID	2
#define NID_UUID	3
#define NID_CSI		4

/**
 * nvdio_ns_ids_parse() - parse a Namespace Identification Descriptor list
 * @ids: receives the identifiers in the list; others are left unchanged
 * @list: data of Identify with CNS 03h (NVMe Base 2.0, 5.17.2.3)
 * @len: its size in bytes
 *
 * Descriptors of an unknown type, or with a length that is wrong for their
 * type, are skipped. One that does not fit into the list ends it (invariant
 * 11).
 *
 * Context: any.
 */
void nvdio_ns_ids_parse(struct nvdio_ns_ids *ids, const void *list, size_t len)
{
	const struct {
		u8 len;
		u8 *to;
	} known[] = {
		[NID_EUI64] = { sizeof(ids->eui64), ids->eui64 },
		[NID_NGUID] = { sizeof(ids->nguid), ids->nguid },
		[NID_UUID] = { sizeof(ids->uuid), ids->uuid },
		[NID_CSI] = { sizeof(ids->csi), &ids->csi },
	};
	const u8 *desc = list;

	ids->listed = true;
	while (len > NID_DATA) {
		u8 type = desc[NID_TYPE], size = desc[NID_LENGTH];

		/* A length of 0 ends the list. */
		if (!size || size > len - NID_DATA)
			break;
		if (type < ARRAY_SIZE(known) && size == known[type].len)
			memcpy(known[type].to, desc + NID_DATA, size);
		desc += NID_DATA + size;
		len -= NID_DATA + size;
	}
}

static bool id_differs(const u8 *a, const u8 *b, size_t len, bool certain)
{
	static const u8 none[16];

	if (!memcmp(a, b, len))
		return false;
	return certain || (memcmp(a, none, len) && memcmp(b, none, len));
}

/**
 * nvdio_ns_ids_differ() - do identifiers belong to different namespaces?
 * @a: identifiers
 * @b: identifiers
 *
 * An identifier that only one of them has counts only if both lists could be
 * read.
 *
 * Context: any.
 * Return: true if they cannot belong to the same namespace. Namespaces without
 * any identifier cannot be told apart.
 */
bool nvdio_ns_ids_differ(const struct nvdio_ns_ids *a,
			 const struct nvdio_ns_ids *b)
{
	const bool certain = a->listed && b->listed;

	return id_differs(a->eui64, b->eui64, sizeof(a->eui64), certain) ||
	       id_differs(a->nguid, b->nguid, sizeof(a->nguid), certain) ||
	       id_differs(a->uuid, b->uuid, sizeof(a->uuid), certain) ||
	       (certain && a->csi != b->csi);
}
