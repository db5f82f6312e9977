# SPDX-License-Identifier: MIT
# Models of what processes do to each other through shared memory, searched to the end by spin.
TESTS += %D%/run
EXTRA_DIST += %D%/README.md %D%/common.pml %D%/event.pml %D%/handover.pml %D%/life.pml %D%/run \
	%D%/semaphore.pml %D%/table
