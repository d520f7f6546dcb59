# SPDX-License-Identifier: Apache-2.0
"""From rows to a folder that may be published."""
