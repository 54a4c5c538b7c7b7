// SPDX-License-Identifier: GPL-2.0
/* Identifiers of a namespace: reading and comparing them. */
#include "pure/ns_ids.h"

/* Header of a Namespace Identification Descriptor, and its types. */
#define NID_TYPE	0
#define NID_LENGTH	1
#define NID_DATA	4

#define NID_EUI64	1
#define NID_NGUID	2
#define NID_UUID	3
#define NID_CSI		4

/**
 * nvdio_ns_ids_parse() - read a Namespace Identification Descriptor list
 * @ids: gets what is in the list; the rest stays as it is
 * @list: data of Identify with CNS 03h (NVMe Base 2.0, 5.17.2.3)
 * @len: its bytes
 *
 * Descriptors of an unknown type, or with a length that their type does not
 * have, are passed over; one that does not fit into the list ends it.
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

		/* A length of 0 is the end. */
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
 * nvdio_ns_ids_differ() - are these identifiers of two namespaces?
 * @a: identifiers
 * @b: identifiers
 *
 * An identifier that only one of them has tells something only if both lists
 * were there to be read.
 *
 * Return: true if they cannot be the same namespace's. Two namespaces without
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
