# SPDX-License-Identifier: MIT
# Rules about the sources themselves. Those about structure are tests; those about form run by `make lint` only.
structure_lints = %D%/dependencies %D%/layering %D%/sources
lints = $(structure_lints) %D%/licence %D%/manuals %D%/size %D%/style %D%/words %D%/shellcheck
TESTS += $(structure_lints)
EXTRA_DIST += $(lints) %D%/common/code.awk %D%/common/lint.sh
