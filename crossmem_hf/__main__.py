# SPDX-License-Identifier: Apache-2.0
"""``python -m crossmem_hf``, which launchers of several processes need."""

import sys

from crossmem_hf.cli.app import app

sys.exit(app())
