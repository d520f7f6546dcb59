# SPDX-License-Identifier: Apache-2.0
"""Exposure of secrets among candidates."""
