# SPDX-License-Identifier: Apache-2.0
"""What a model remembers: rows asked, answers kept, numbers with intervals."""
