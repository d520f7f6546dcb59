# SPDX-License-Identifier: Apache-2.0
"""How probable it is that sampling a model gives an answer, and how many samples that takes."""
