# Installing, packages, containers.

DESTDIR    ?=
BINDIR     ?= $(PREFIX)/bin
MANDIR     ?= $(PREFIX)/share/man
DATADIR    ?= $(PREFIX)/share/nextproxy
UNITDIR    ?= $(PREFIX)/lib/systemd/system
# A distribution's package (PREFIX=/usr) keeps its configuration in /etc.
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
CONFIGDIR  := $(SYSCONFDIR)/nextproxy
INSTALL    ?= install

.PHONY: install uninstall deps docker
install: $(PROGRAM) ## install below PREFIX (and DESTDIR): binary, sample config, man page, unit
	$(INSTALL) -Dm755 $(PROGRAM) $(DESTDIR)$(BINDIR)/nextproxy
	$(INSTALL) -Dm644 config.json $(DESTDIR)$(DATADIR)/config.json
	for extra in config.schema.json kernel-reqs/seccomp/nextproxy.json; do \
	  [ ! -f $$extra ] || $(INSTALL) -Dm644 -t $(DESTDIR)$(DATADIR) $$extra; done
	[ -e $(DESTDIR)$(CONFIGDIR)/config.json ] || \
	  $(INSTALL) -Dm644 config.json $(DESTDIR)$(CONFIGDIR)/config.json
	$(INSTALL) -d $(DESTDIR)$(MANDIR)/man8 $(DESTDIR)$(UNITDIR)
	sed -e 's|@VERSION@|$(VERSION)|' -e 's|@CONFIGDIR@|$(CONFIGDIR)|g' packaging/nextproxy.8.in \
	  > $(DESTDIR)$(MANDIR)/man8/nextproxy.8
	sed -e 's|@BINDIR@|$(BINDIR)|g' -e 's|@CONFIGDIR@|$(CONFIGDIR)|g' packaging/nextproxy.service.in \
	  > $(DESTDIR)$(UNITDIR)/nextproxy.service
	chmod 644 $(DESTDIR)$(MANDIR)/man8/nextproxy.8 $(DESTDIR)$(UNITDIR)/nextproxy.service

uninstall: ## remove what install brought; the configuration and the logs stay
	rm -f $(DESTDIR)$(BINDIR)/nextproxy $(DESTDIR)$(MANDIR)/man8/nextproxy.8 \
	  $(DESTDIR)$(UNITDIR)/nextproxy.service
	rm -rf $(DESTDIR)$(DATADIR)

deps: ## install the packages that building needs (Debian or Alpine)
	@tools/install.sh build

CONTAINER_ENGINE ?= $(firstword $(notdir $(shell command -v docker podman 2>/dev/null)) docker)
docker: ## build the container image nextproxy:VERSION from Dockerfile.alpine
	$(CONTAINER_ENGINE) build -f Dockerfile.alpine -t nextproxy:$(VERSION) .
