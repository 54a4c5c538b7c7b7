/* SPDX-License-Identifier: GPL-2.0 */
/* The globally unique identifiers of a namespace. */
#ifndef NVDIO_NS_IDS_H
#define NVDIO_NS_IDS_H

#include "pure/pure.h"

/**
 * struct nvdio_ns_ids - identifiers of a namespace (NVMe Base 2.0, 4.7.1)
 * @eui64: IEEE Extended Unique Identifier, or zeroes
 * @nguid: Namespace Globally Unique Identifier, or zeroes
 * @uuid: Namespace UUID, or zeroes
 * @csi: Command Set Identifier
 * @listed: the identifiers are complete (the Namespace Identification
 *	Descriptor list was read, or predates the controller): one that is zero
 *	does not exist
 */
struct nvdio_ns_ids {
	u8 eui64[8];
	u8 nguid[16];
	u8 uuid[16];
	u8 csi;
	bool listed;
};

void nvdio_ns_ids_parse(struct nvdio_ns_ids *ids, const void *list, size_t len);
bool nvdio_ns_ids_differ(const struct nvdio_ns_ids *a,
			 const struct nvdio_ns_ids *b);

#endif /* NVDIO_NS_IDS_H */
