# SPDX-License-Identifier: Apache-2.0
"""Whether forgotten rows can be told from rows that were never learned."""
