/* SPDX-License-Identifier: GPL-2.0 */
/* Latency histograms of namespaces in sysfs. */
#ifndef NVDIO_LATENCY_H
#define NVDIO_LATENCY_H

struct attribute_group;
struct nvdio_ns;

extern const struct attribute_group nvdio_latency_group;

void nvdio_latency_end(struct nvdio_ns *ns);
void nvdio_latency_free(struct nvdio_ns *ns);

#endif /* NVDIO_LATENCY_H */
