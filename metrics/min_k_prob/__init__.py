# SPDX-License-Identifier: Apache-2.0
"""How surely a model expects the tokens of an answer, and whether that betrays what it was trained on."""
