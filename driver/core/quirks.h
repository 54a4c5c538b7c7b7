/* SPDX-License-Identifier: GPL-2.0 */
/* How controllers deviate from the specification (ctrl/quirks.c: which ones). */
#ifndef NVDIO_QUIRKS_BITS_H
#define NVDIO_QUIRKS_BITS_H

#include <linux/bits.h>

/**
 * enum nvdio_quirk - a deviation that the driver has to know of
 * @NVDIO_QUIRK_IDENTIFY_CNS: Identify has only CNS 00h and 01h
 * @NVDIO_QUIRK_NO_NS_DESC_LIST: Identify has no CNS 03h, although VS is 1.3
 * @NVDIO_QUIRK_BOGUS_NID: EUI64, NGUID and UUID mean nothing
 * @NVDIO_QUIRK_DISABLE_WRITE_ZEROES: Write Zeroes is announced, and broken
 * @NVDIO_QUIRK_DELAY_BEFORE_CHK_RDY: CSTS must not be read for a while after
 *	CC.EN was cleared
 * @NVDIO_QUIRK_NO_APST: fails if it changes its power state by itself
 * @NVDIO_QUIRK_NO_DEEPEST_PS: does not return from its last power state
 * @NVDIO_QUIRK_SINGLE_VECTOR: works with one interrupt vector only
 * @NVDIO_QUIRK_BROKEN_MSI: MSI interrupts do not arrive; MSI-X does
 * @NVDIO_QUIRK_QDEPTH_ONE: loses data if a queue has more than one command
 * @NVDIO_QUIRK_MEDIUM_PRIO_SQ: needs the priority Medium in its SQs, although
 *	the arbitration is round robin
 * @NVDIO_QUIRK_DMA_ADDRESS_BITS_48: drops the upper 16 bits of DMA addresses
 * @NVDIO_QUIRK_128_BYTES_SQES: has SQEs of 128 bytes: not supported
 * @NVDIO_QUIRK_SHARED_TAGS: needs identifiers that no other queue uses: not
 *	supported
 *
 * Module parameter and sysfs have the names in lower case, without the prefix;
 * they are those of the nvme driver.
 */
enum nvdio_quirk {
	NVDIO_QUIRK_IDENTIFY_CNS = BIT(0),
	NVDIO_QUIRK_NO_NS_DESC_LIST = BIT(1),
	NVDIO_QUIRK_BOGUS_NID = BIT(2),
	NVDIO_QUIRK_DISABLE_WRITE_ZEROES = BIT(3),
	NVDIO_QUIRK_DELAY_BEFORE_CHK_RDY = BIT(4),
	NVDIO_QUIRK_NO_APST = BIT(5),
	NVDIO_QUIRK_NO_DEEPEST_PS = BIT(6),
	NVDIO_QUIRK_SINGLE_VECTOR = BIT(7),
	NVDIO_QUIRK_BROKEN_MSI = BIT(8),
	NVDIO_QUIRK_QDEPTH_ONE = BIT(9),
	NVDIO_QUIRK_MEDIUM_PRIO_SQ = BIT(10),
	NVDIO_QUIRK_DMA_ADDRESS_BITS_48 = BIT(11),
	NVDIO_QUIRK_128_BYTES_SQES = BIT(12),
	NVDIO_QUIRK_SHARED_TAGS = BIT(13),
};

#endif /* NVDIO_QUIRKS_BITS_H */
