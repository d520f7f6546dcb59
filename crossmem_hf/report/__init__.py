# SPDX-License-Identifier: Apache-2.0
"""What came out of a run: its record, its figures and its page."""
