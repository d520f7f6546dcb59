# SPDX-License-Identifier: Apache-2.0
"""How many directions a model's hidden states use, and how fast their variances fall."""
