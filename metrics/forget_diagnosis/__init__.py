# SPDX-License-Identifier: Apache-2.0
"""Forgotten, refused, collapsed or still known."""
