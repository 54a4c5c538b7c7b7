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

VERSION ?= $(shell sed -n 's/^MODULE_VERSION("\(.*\)");/\1/p' driver/main.c)
PREFIX ?= /usr/local
# udev and modprobe look in no place below /usr/local.
SYSTEM_PREFIX ?= /usr
DATA = $(DESTDIR)$(PREFIX)/share

install: install-lib install-tools install-man install-system ## libraries, tools, pages and udev rules; DESTDIR=, PREFIX=/usr/local; the module: modules_install

# The rules come first: they would set drivers for disks that are bound with --persist.
uninstall: ## remove what "make install" has put there, with the same variables
	set -e; cd udev; for f in *.rules; do rm -f '$(DESTDIR)$(SYSTEM_PREFIX)/lib/udev/rules.d'/"$$f"; done
	rm -f '$(DESTDIR)$(SYSTEM_PREFIX)/lib/modprobe.d/nvdio.conf'
	rm -f '$(DESTDIR)$(PREFIX)/sbin/nvdio' '$(DATA)/bash-completion/completions/nvdio'
	rm -rf '$(DATA)/nvdio'
	$(MAKE) -C lib/nvdio uninstall PREFIX='$(PREFIX)' DESTDIR='$(abspath $(DESTDIR))'
	set -e; for page in docs/man/*.[1-9] docs/man/*.in; do \
		name=$${page##*/}; name=$${name%.in}; rm -f "$(DATA)/man/man$${name##*.}/$$name"; \
	done

install-lib:
	$(MAKE) -C lib/nvdio install PREFIX='$(PREFIX)' DESTDIR='$(abspath $(DESTDIR))' $(if $(O),O='$(O)')

# Programs are in share/nvdio with what they need; "nvdio" has a name in sbin.
install-tools:
	install -d '$(DESTDIR)$(PREFIX)/sbin' '$(DATA)/nvdio' '$(DATA)/bash-completion/completions'
	set -e; for f in tools/*; do \
		if [ -d "$$f" ]; then \
			[ "$$f" != tools/completion ] || { install -m 644 "$$f"/* '$(DATA)/bash-completion/completions'; continue; }; \
			(cd tools && find "$${f#tools/}" -type f ! -name '*.pyc' ! -name '.*') | while read -r file; do \
				mode=644; [ ! -x "tools/$$file" ] || mode=755; \
				install -D -m $$mode "tools/$$file" "$(DATA)/nvdio/$$file"; \
			done; \
		elif [ -x "$$f" ]; then \
			install -m 755 "$$f" '$(DATA)/nvdio'; \
			[ "$$f" != tools/nvdio ] || ln -sf ../share/nvdio/nvdio '$(DESTDIR)$(PREFIX)/sbin'; \
		else \
			install -m 644 "$$f" '$(DATA)/nvdio'; \
		fi; \
	done
	echo '$(VERSION)' >'$(DATA)/nvdio/version'

install-man:
	set -e; for page in docs/man/*.[1-9] docs/man/*.in; do \
		name=$${page##*/}; name=$${name%.in}; file="$(DATA)/man/man$${name##*.}/$$name"; \
		install -D -m 644 "$$page" "$$file"; \
		[ "$$page" = "$${page%.in}" ] || docs/man/fill "$$page" >"$$file"; \
	done

install-system:
	install -D -m 644 -t '$(DESTDIR)$(SYSTEM_PREFIX)/lib/udev/rules.d' udev/*.rules
	set -e; cd '$(DESTDIR)$(SYSTEM_PREFIX)/lib/udev/rules.d'; \
		sed -i 's,/usr/sbin/nvdio,$(PREFIX)/sbin/nvdio,g' *-nvdio*.rules
	install -D -m 644 -t '$(DESTDIR)$(SYSTEM_PREFIX)/lib/modprobe.d' udev/nvdio.conf

install-dkms: ## the module's source for DKMS, in DESTDIR/usr/src; then "dkms install nvdio/VERSION"
	set -e; dir='$(DESTDIR)/usr/src/nvdio-$(VERSION)'; \
	for f in Kbuild LICENSE $$(find driver -name '*.[ch]'); do \
		install -D -m 644 "$$f" "$$dir/$$f"; done; \
	sed 's/#MODULE_VERSION#/$(VERSION)/' dkms.conf >"$$dir/dkms.conf"

deb: ## Debian packages, in O=deb (docs/packages.md)
	lab/deb $(or $(O),deb)

clean: ## remove what "make" made; the lab's cache stays
	@rm -rf deb
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

check-all: ## "make check", the packages in Debian systems, and other machines: arm64 (4 and 16 KiB pages), s390x, riscv64
	tests/run
	tests/run arch deb

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

install_targets := uninstall install install-lib install-tools install-man install-system install-dkms
.PHONY: $(install_targets) deb
.PHONY: all headers modules_install clean compile_commands.json lib lab vm demo check check-all check-debug check-full coverage faults soak bench bench-check bench-compare help
