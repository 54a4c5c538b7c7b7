/* SPDX-License-Identifier: GPL-2.0 */
/* Where a controller says that its memory buffer is. */
#ifndef NVDIO_PURE_CMB_H
#define NVDIO_PURE_CMB_H

#include "pure/pure.h"

/* Number of BARs of a PCI function. */
#define NVDIO_CMB_BARS	6

/**
 * struct nvdio_cmb_place - a controller memory buffer
 * @bir: BAR
 * @offset: offset in that BAR
 * @size: bytes; 0: there is none that data can be in
 * @io: those of all commands can, whichever way they go
 */
struct nvdio_cmb_place {
	u32 bir;
	u64 offset;
	u64 size;
	bool io;
};

int nvdio_cmb_locate(u32 cmbloc, u32 cmbsz, const u64 *bars, u64 page,
		     struct nvdio_cmb_place *place);

#endif /* NVDIO_PURE_CMB_H */
