# SPDX-License-Identifier: MIT
# The README's pictures, and what makes them from a real run: python3 docs/pictures.py build
EXTRA_DIST += %D%/graph.svg %D%/pictures.py %D%/top.svg
