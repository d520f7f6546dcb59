# SPDX-License-Identifier: Apache-2.0
"""How much of an answer a model completes by itself once it is given the beginning."""
