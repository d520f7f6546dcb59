# SPDX-License-Identifier: Apache-2.0
"""Portraits by image models."""
