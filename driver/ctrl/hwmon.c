// SPDX-License-Identifier: GPL-2.0
/*
 * Temperatures, through the kernel's hwmon interface: channel 0 is the composite
 * temperature, channels 1 to 8 are the sensors that the controller has. Kernels
 * without hwmon get the module without these.
 */
#include <linux/hwmon.h>
#include <linux/unaligned.h>
#include <linux/units.h>

#include "core/ctrl.h"
#include "ctrl/admin.h"
#include "ctrl/hwmon.h"
#include "ctrl/smart.h"

#if IS_REACHABLE(CONFIG_HWMON)

static const char * const temp_names[] = {
	"Composite", "Sensor 1", "Sensor 2", "Sensor 3", "Sensor 4",
	"Sensor 5", "Sensor 6", "Sensor 7", "Sensor 8",
};

static umode_t temp_is_visible(const void *data, enum hwmon_sensor_types type,
			       u32 attr, int channel)
{
	const struct nvdio_ctrl *ctrl = data;
	bool visible;

	switch (attr) {
	case hwmon_temp_input:
	case hwmon_temp_label:
		visible = ctrl->sensors & BIT(channel);
		break;
	case hwmon_temp_alarm:
		visible = !channel;
		break;
	case hwmon_temp_max:
		visible = !channel && ctrl->wctemp;
		break;
	case hwmon_temp_crit:
		visible = !channel && ctrl->cctemp;
		break;
	default:
		visible = false;
	}
	return visible ? 0444 : 0;
}

static int temp_read(struct device *dev, enum hwmon_sensor_types type,
		     u32 attr, int channel, long *value)
{
	struct nvdio_ctrl *ctrl = dev_get_drvdata(dev);
	struct nvme_smart_log log;
	int ret;

	if (attr == hwmon_temp_max) {
		*value = kelvin_to_millicelsius(READ_ONCE(ctrl->wctemp));
		return 0;
	}
	if (attr == hwmon_temp_crit) {
		*value = kelvin_to_millicelsius(READ_ONCE(ctrl->cctemp));
		return 0;
	}
	ret = nvdio_smart_get(ctrl, &log);
	if (ret)
		return ret;
	if (attr == hwmon_temp_alarm)
		*value = !!(log.critical_warning & NVME_SMART_CRIT_TEMPERATURE);
	else if (channel)
		*value = kelvin_to_millicelsius(le16_to_cpu(log.temp_sensor[channel - 1]));
	else
		*value = kelvin_to_millicelsius(get_unaligned_le16(log.temperature));
	return 0;
}

static int temp_read_string(struct device *dev, enum hwmon_sensor_types type,
			    u32 attr, int channel, const char **text)
{
	*text = temp_names[channel];
	return 0;
}

#define SENSOR	(HWMON_T_INPUT | HWMON_T_LABEL)

static const struct hwmon_channel_info * const temp_channels[] = {
	HWMON_CHANNEL_INFO(temp, SENSOR | HWMON_T_MAX | HWMON_T_CRIT |
				 HWMON_T_ALARM,
			   SENSOR, SENSOR, SENSOR, SENSOR,
			   SENSOR, SENSOR, SENSOR, SENSOR),
	NULL
};

static const struct hwmon_ops temp_ops = {
	.is_visible = temp_is_visible,
	.read = temp_read,
	.read_string = temp_read_string,
};

static const struct hwmon_chip_info temp_chip = {
	.ops = &temp_ops,
	.info = temp_channels,
};

/* Which sensors are there? One that is not reads as 0. */
static int temp_find_sensors(struct nvdio_ctrl *ctrl)
{
	struct nvme_smart_log log;
	unsigned int i;
	int ret;

	ret = nvdio_smart_get(ctrl, &log);
	if (ret)
		return ret;
	ctrl->sensors = 1;
	for (i = 0; i < ARRAY_SIZE(log.temp_sensor); i++) {
		if (log.temp_sensor[i])
			ctrl->sensors |= BIT(i + 1);
	}
	return 0;
}

/**
 * nvdio_hwmon_add() - publish the temperatures of a controller
 * @ctrl: controller that has just become live, its lock not held
 *
 * A failure is logged and otherwise ignored. The name is the one by which
 * monitoring tools know NVMe controllers.
 *
 * Context: may sleep.
 */
void nvdio_hwmon_add(struct nvdio_ctrl *ctrl)
{
	struct device *hwmon;
	int ret = temp_find_sensors(ctrl);

	if (!ret) {
		hwmon = hwmon_device_register_with_info(&ctrl->dev, "nvme",
							ctrl, &temp_chip,
							NULL);
		ret = PTR_ERR_OR_ZERO(hwmon);
	}
	if (ret)
		dev_warn(&ctrl->dev, "temperatures not available: %d\n", ret);
	else
		ctrl->hwmon = hwmon;
}

/**
 * nvdio_hwmon_remove() - undo nvdio_hwmon_add(), if it was called
 * @ctrl: controller, its lock not held: readers may be waiting for it
 *
 * Context: may sleep.
 */
void nvdio_hwmon_remove(struct nvdio_ctrl *ctrl)
{
	if (ctrl->hwmon)
		hwmon_device_unregister(ctrl->hwmon);
	ctrl->hwmon = NULL;
}

#else

void nvdio_hwmon_add(struct nvdio_ctrl *ctrl)
{
}

void nvdio_hwmon_remove(struct nvdio_ctrl *ctrl)
{
}

#endif
