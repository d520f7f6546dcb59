# SPDX-License-Identifier: Apache-2.0
"""Kinds of rows with a file of their own."""
