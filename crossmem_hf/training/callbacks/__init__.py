# SPDX-License-Identifier: Apache-2.0
"""What a trainer does between two steps."""
