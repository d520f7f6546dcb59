# SPDX-License-Identifier: Apache-2.0
"""Whether a model still prefers true answers to false ones."""
