# SPDX-License-Identifier: Apache-2.0
"""Recall by the modality learned in and the modality asked in."""
