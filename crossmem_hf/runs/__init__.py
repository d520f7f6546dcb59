# SPDX-License-Identifier: Apache-2.0
"""Work that takes long: done once, shared, watched, gone on with."""
