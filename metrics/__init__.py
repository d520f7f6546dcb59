# SPDX-License-Identifier: Apache-2.0
"""The measurements. One folder a metric, each a Space for `evaluate` and numpy functions for the library."""
