# SPDX-License-Identifier: GPL-2.0
# "make help" lists the targets. What the module is made of is in Kbuild.

KDIR ?= /lib/modules/$(shell uname -r)/build

PWD := $(CURDIR)
have_headers := $(wildcard $(KDIR)/Makefile)

all: headers ## build nvdio.ko against KDIR (default: the running kernel)
	$(MAKE) -C $(KDIR) M=$(PWD) modules

headers:
ifeq ($(have_headers),)
	@echo 'nvdio: no kernel headers in $(KDIR): apt-get install linux-headers-$(shell uname -r), or give KDIR=. ("make vm" and "make demo" need none.)' >&2
	@false
endif

modules_install: headers ## install nvdio.ko for the kernel of KDIR
	$(MAKE) -C $(KDIR) M=$(PWD) modules_install

clean: ## remove what "make" made; the lab's cache stays
	@find . -path ./.git -prune -o \( -name '*.o' -o -name '*.ko' -o -name '*.mod' \
		-o -name '*.mod.c' -o -name '.*.cmd' -o -name '.module-common.o' \
		-o -name Module.symvers -o -name modules.order \
		-o -name 'libnvdio*.so*' -o -name libnvdio.a -o -name nvdio.pc -o -name fio-nvdio.so \
		-o -name 'compile_commands.json*' \) ! -type d -exec rm -f {} +

compile_commands.json: ## for editors and clangd, from KDIR or else from the lab's 6.12
ifneq ($(have_headers),)
	$(MAKE) -C $(KDIR) M=$(PWD) modules
	lab/compile-commands $(PWD) $(KDIR) >$@.new && mv $@.new $@
else
	lab/compile-commands --lab >$@.new && mv $@.new $@
endif

lib: ## libnvdio: many I/Os in one call (docs/interfaces.md); libnvdio-arena.so (docs/mapped.md)
	$(MAKE) -C lib $(if $(O),O=$(O))

lab: ## make the lab root (QEMU, kernels, tools) in ~/.cache/nvdio
	lab/root

vm: ## a shell in a virtual machine with nvdio and the stock driver side by side
	lab/vm

demo: ## measure direct against copy in the virtual machine, as a table
	fio-jobs/demo

check: ## run all tests; with DEV=/dev/nvdioXnY on that device, DESTROYING ITS CONTENTS
	$(if $(DEV),tests/dev "$$DEV",tests/run)

check-debug: ## tests under KASAN, lockdep and DMA API debugging; builds that kernel first
	lab/kernel-debug
	tests/run debug debug-life

check-all: ## the other machines, all that is tested on them: arm64 (4 and 16 KiB pages), s390x; then "make check"
	tests/run --full arch
	tests/run

check-full: ## all of the tests, on both kernels and both debug kernels, with long fuzzing: hours
	lab/kernel-debug
	lab/kernel-debug kcsan
	FUZZ_TIME=$${FUZZ_TIME:-600} tests/run --full

coverage: ## which lines of the driver the tests reach; ARGS="--full" or names of tests
	tests/coverage $(ARGS)

faults: ## the table of faults: each kind under a load that checks its data (docs/reliability.md); ARGS=--short
	tests/faults $(ARGS)

TIME ?= 600
soak: ## TIME=600 seconds of stress over a matrix of module parameters and IOMMU modes
	SOAK_TIME=$(TIME) tests/run soak

bench: ## instructions per I/O against the stock driver, all modes; ARGS=--quick for the main ones
	bench/run $(ARGS)

bench-check: ## the main modes against bench/budget.tsv
	bench/run --check

bench-compare: ## OLD=result.json [NEW=result.json] of two runs of bench/run
	bench/compare $(OLD) $(or $(NEW),$(or $(NVDIO_LAB),$(HOME)/.cache/nvdio)/bench-full.json)

help: ## this list
	@sed -n 's/^\([a-z_.-]*\):.*## /\1\t/p' Makefile | expand -t 24

.PHONY: all headers modules_install clean compile_commands.json lib lab vm demo check check-all check-debug check-full coverage faults soak bench bench-check bench-compare help
