# SPDX-License-Identifier: Apache-2.0
"""Portraits in folders."""
