# SPDX-License-Identifier: Apache-2.0
"""What is inside a model, and what can still be got out of it."""
