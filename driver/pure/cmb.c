// SPDX-License-Identifier: GPL-2.0
/* CMBLOC and CMBSZ (NVMe Base 2.0, 3.1.3.11 and 3.1.3.12), checked. */
#include "pure/cmb.h"

#define CMBLOC_BIR_MASK		0x7
#define CMBLOC_OFST_SHIFT	12
#define CMBSZ_RDS		0x08
#define CMBSZ_WDS		0x10
#define CMBSZ_SZU_SHIFT		8
#define CMBSZ_SZU_MASK		0xf
#define CMBSZ_SZU_MAX		6
#define CMBSZ_SZ_SHIFT		12

/**
 * nvdio_cmb_locate() - find the controller memory buffer
 * @cmbloc: Controller Memory Buffer Location
 * @cmbsz: Controller Memory Buffer Size
 * @bars: size of each BAR in bytes, 0 for those that do not exist
 * @page: page size; the buffer must begin and end on a page of its own
 * @place: set; its size is 0 if there is no buffer, or none for data
 *
 * A buffer in BAR 0 is refused: doorbells are there, and as they end where the
 * controller says, so would the buffer begin.
 *
 * Context: any.
 * Return: 0, or -EINVAL if what the controller says cannot be.
 */
int nvdio_cmb_locate(u32 cmbloc, u32 cmbsz, const u64 *bars, u64 page,
		     struct nvdio_cmb_place *place)
{
	const u32 szu = cmbsz >> CMBSZ_SZU_SHIFT & CMBSZ_SZU_MASK;
	const u32 bir = cmbloc & CMBLOC_BIR_MASK;
	u64 offset, size;

	memset(place, 0, sizeof(*place));
	if (!(cmbsz >> CMBSZ_SZ_SHIFT) || !(cmbsz & (CMBSZ_RDS | CMBSZ_WDS)))
		return 0;
	if (szu > CMBSZ_SZU_MAX || !bir || bir >= NVDIO_CMB_BARS)
		return -EINVAL;
	/* At most 20 + 36 bits. */
	size = (u64)(cmbsz >> CMBSZ_SZ_SHIFT) << (12 + 4 * szu);
	offset = (u64)(cmbloc >> CMBLOC_OFST_SHIFT) << (12 + 4 * szu);
	if (offset > bars[bir] || size > bars[bir] - offset ||
	    (offset | size) & (page - 1))
		return -EINVAL;
	place->bir = bir;
	place->offset = offset;
	place->size = size;
	place->io = cmbsz & CMBSZ_RDS && cmbsz & CMBSZ_WDS;
	return 0;
}
