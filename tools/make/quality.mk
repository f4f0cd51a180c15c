# Help and cleaning.

.PHONY: help clean
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | sort | \
	  awk -F '\t' '{ printf "  make %-14s %s\n", $$1, $$2 }'

clean: ## remove everything that was built
	rm -rf $(BUILD)
