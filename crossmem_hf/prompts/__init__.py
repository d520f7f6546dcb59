# SPDX-License-Identifier: Apache-2.0
"""Every English word shown to a model."""
