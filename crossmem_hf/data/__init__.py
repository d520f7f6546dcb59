# SPDX-License-Identifier: Apache-2.0
"""People as rows, and rows as a dataset: in the cache, in a folder, on the Hub."""
